package takeover

import "strings"

// isGuard tells content that only a guard step wrote.
func isGuard(d *document) bool { return strings.HasPrefix(d.text("storage-driver"), guardPrefix) }

// begun tells whether an operation has changed anything. Its guard comes first,
// and is there until all is done unless somebody took it away.
func (t *Takeover) begun(j journal, now *document) bool {
	from, to := j.To.other(), j.To
	return isGuard(now) ||
		!exists(from.state(t.root)) ||
		!j.MakeRoom && exists(to.images(t.root)) ||
		exists(t.asideState(to)) || exists(t.asideImages(to))
}

// complete tells whether an operation only lacks its end: docker may have had the
// data, and daemon.json changed, since.
func (t *Takeover) complete(j journal, now *document) bool {
	from, to := j.To.other(), j.To
	return !isGuard(now) && !exists(from.state(t.root)) && exists(to.state(t.root)) &&
		(same(now.textOrNil(), j.After) || Driver(now.text("storage-driver")) == to)
}
