package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	rules     = "../../contrib/prometheus/dmthin.rules.yml"
	ruleTests = "../../contrib/prometheus/dmthin.rules.test.yml"
	dashboard = "../../contrib/grafana/dmthin.json"
)

// known returns the names that the daemon shows.
func known(t *testing.T) map[string]bool {
	t.Helper()
	families, err := newMetrics(fixed{snapshot: full()}).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	return names
}

// named returns the names of ours in a file.
func named(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\bdmthin_[a-z_]+`).FindAllString(string(text), -1)
}

// A misspelt name in a rule or a panel shows nothing, and never alerts.
func TestRulesAndDashboardNameOnlyWhatExists(t *testing.T) {
	names := known(t)
	for _, path := range []string{rules, ruleTests, dashboard} {
		found := named(t, path)
		if len(found) < 10 {
			t.Errorf("%s names %d metrics only", path, len(found))
		}
		for _, name := range found {
			base := strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")
			if !names[name] && !names[base] {
				t.Errorf("%s names %s, which does not exist", path, name)
			}
		}
	}
}

func TestDashboardIsWellFormed(t *testing.T) {
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, W int }
			Targets     []struct{ Expr string }
			Datasource  struct{ UID string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("panel %q has the ID %d of another", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q is wider than the dashboard", p.Title)
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("panel %q has no query, or a data source of its own", p.Title)
		}
	}
}

// queries returns the dashboard's queries with Grafana's variables filled in.
func queries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, match := range regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllStringSubmatch(string(text), -1) {
		var expr string
		if err := json.Unmarshal([]byte(match[1]), &expr); err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(expr))
	}
	return all
}

// promtool fails the test where it is missing: scripts/deps test installs it.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v (it is in Debian's package prometheus)\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolAcceptsRules(t *testing.T) { promtool(t, "", "check", "rules", rules) }

func TestAlertsComeWhenTheyShould(t *testing.T) { promtool(t, "", "test", "rules", ruleTests) }

func TestPromtoolAcceptsWhatIsServed(t *testing.T) {
	var text strings.Builder
	m := newMetrics(fixed{snapshot: full()})
	for line := range strings.Lines(body(t, m)) {
		if strings.Contains(line, namespace+"_") { // the others are not ours to name
			text.WriteString(line)
		}
	}
	promtool(t, text.String(), "check", "metrics")
}

// The dashboard's queries are checked as rules, the one thing that promtool
// parses expressions in.
func TestPromtoolAcceptsTheDashboardsQueries(t *testing.T) {
	found := queries(t)
	if len(found) < 20 {
		t.Fatalf("found %d queries only", len(found))
	}
	var file strings.Builder
	file.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, q := range found {
		quoted, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		file.WriteString("  - record: query\n    labels: {text: " + string(quoted) + "}\n    expr: " + string(quoted) + "\n")
	}
	path := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", path)
}
