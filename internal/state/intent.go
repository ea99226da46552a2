package state

// WriteIntent announces a change. It works on a full disk, so that layers can
// be removed there.
func (s *Store) WriteIntent(i Intent) error {
	data, err := encode(intentName, i)
	if err != nil {
		return s.note(err)
	}
	return s.write(func() error {
		return s.reserve.retry(func() error { return s.writeInPlace(intentName, data) })
	})
}

// Intent returns the newest intent; ok is false where none was ever written.
// Where a disk tore the file, its checksum tells, and the change that it was to
// announce has not begun.
func (s *Store) Intent() (i Intent, ok bool, err error) {
	ok, err = s.readOptional(intentName, &i)
	return i, ok, err
}
