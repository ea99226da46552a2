package main

import "context"

// manyLayers makes thousands of layers and compares what the last cost with
// what the first did, then starts again with all of them. They stay.
func manyLayers(ctx context.Context, b *bench, s *subject) error {
	image, err := b.baseImage(ctx, s)
	if err != nil {
		return err
	}
	first, err := b.probe(s, image)
	if err != nil {
		return err
	}
	for range b.scale.Many - b.scale.Probe {
		if _, err := s.child(image); err != nil {
			return err
		}
	}
	last, err := b.probe(s, image)
	if err != nil {
		return err
	}
	b.record(figCreateFlat, last.create/first.create)
	b.record(figGetFlat, last.getPut/first.getPut)
	b.record(figRemoveFlat, last.remove/first.remove)
	for range b.scale.SlowRounds {
		if err := b.restart(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// probed are medians.
type probed struct{ create, getPut, remove float64 }

// probe times some layers, of which every other one stays.
func (b *bench) probe(s *subject, image string) (p probed, err error) {
	var ids []string
	create, err := timeEach(make([]string, b.scale.Probe), func(string) error {
		id, err := s.child(image)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return p, err
	}
	get, err := timeEach(ids, func(id string) error { return getPut(s, id) })
	if err != nil {
		return p, err
	}
	half := len(ids) / 2
	remove, err := timeEach(ids[:half], s.Remove)
	return probed{median(create), median(get), median(remove)}, err
}

func (b *bench) restart(ctx context.Context, s *subject) error {
	if err := s.close(ctx); err != nil {
		return err
	}
	settle(ctx) // as after a reboot
	t, err := timed(func() error { return s.open(ctx) })
	if err != nil {
		return err
	}
	b.record(figStart, t)
	if s.memory == nil {
		return nil
	}
	size, err := s.memory()
	b.record(figMemory, float64(size))
	return err
}
