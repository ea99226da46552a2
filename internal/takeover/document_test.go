package takeover

import "testing"

func TestOneKeyChangesAndTheRestOfTheTextStays(t *testing.T) {
	for _, c := range []struct{ before, key, after string }{
		{"", "k", "{\n  \"k\": \"v\"\n}\n"},
		{"{}", "k", "{\n  \"k\": \"v\"\n}\n"},
		{`{"k":1}`, "k", `{"k":"v"}`},
		{"{\n\t\"a\": {\"k\": 1},\n\t\"k\" : [ 1,\n 2 ] ,\n\t\"b\": \"}\"\n}\n", "k", "{\n\t\"a\": {\"k\": 1},\n\t\"k\" : \"v\" ,\n\t\"b\": \"}\"\n}\n"},
		{`{"k":1,"k":2}`, "k", `{"k":1,"k":"v"}`},
		{"{\n    \"a\": \"ü\\\"\"\n}", "k", "{\n    \"a\": \"ü\\\"\",\n    \"k\": \"v\"\n}"},
	} {
		d, err := parseDocument("x", &c.before)
		if err == nil {
			d, err = d.set(c.key, "v")
		}
		if err != nil {
			t.Errorf("%q: %v", c.before, err)
			continue
		}
		if string(d.content) != c.after || d.text(c.key) != "v" {
			t.Errorf("%q becomes %q", c.before, d.content)
		}
	}
}

func TestWhatIsNoObjectIsRefused(t *testing.T) {
	for _, text := range []string{"[]", "x", `{"a":`, `{"a":1`, `{"a" 1}`} {
		if _, err := parseDocument("x", &text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
