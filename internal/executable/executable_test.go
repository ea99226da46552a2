package executable

import "testing"

func TestAdministrationProgramsAreFoundWithoutPATH(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	if _, err := Find("ldconfig"); err != nil { // in /sbin on every Debian
		t.Error(err)
	}
	if path, err := Find("no-such-program"); err == nil {
		t.Errorf("found %s", path)
	}
}
