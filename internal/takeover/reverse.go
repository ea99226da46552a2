package takeover

import "time"

// configFor makes daemon.json for a driver.
func (t *Takeover) configFor(to Driver, now *document, opts []string) (*document, error) {
	next, err := now.set("storage-driver", to)
	if err == nil && (len(opts) > 0 || now.has("storage-opts")) {
		next, err = next.set("storage-opts", append([]string{}, opts...))
	}
	if err == nil && to == DMThin {
		next, err = next.set("experimental", true)
	}
	if err != nil {
		return nil, err
	}
	next.exists = true
	return next, nil
}

// reverse makes the journal of the way back from an adoption.
func (t *Takeover) reverse(j journal) (journal, error) {
	back := journal{
		Version: journalVersion, To: j.To.other(), Began: time.Now().UTC(),
		Return: j.Aside, Forget: j.Intent, ConfigFile: j.ConfigFile, Before: j.Before, After: j.Before,
		Adoption: &j,
	}
	now, err := readDocument(j.ConfigFile)
	if err != nil {
		return back, err
	}
	if !t.begun(j, now) {
		back.Before, back.After = now.textOrNil(), now.textOrNil()
		return back, nil
	}
	if isGuard(now) || same(now.textOrNil(), j.After) || same(now.textOrNil(), j.Before) {
		return back, nil
	}
	// Somebody changed it since: that stays.
	s, err := t.translate(j.To)
	if err != nil {
		return back, err
	}
	after, err := t.configFor(back.To, now, s.after)
	if err != nil {
		return back, err
	}
	back.Before, back.After = now.textOrNil(), after.textOrNil()
	return back, nil
}

// occupied tells whether there are folders of a driver; examineTarget refuses
// those that have something in them.
func (t *Takeover) occupied(d Driver) bool {
	return exists(d.state(t.root)) || exists(d.images(t.root))
}

func same(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
