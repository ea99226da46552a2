package thinmeta

// bitset is a set of block numbers. It takes memory only where there are some:
// a metadata snapshot doesn't say how large the data device is.
type bitset map[uint64]*[pageWords]uint64

const (
	pageWords = 512
	pageBits  = pageWords * 64
)

func (b bitset) has(n uint64) bool {
	page := b[n/pageBits]
	return page != nil && page[n%pageBits/64]&(1<<(n%64)) != 0
}

// add reports whether n was in the set already.
func (b bitset) add(n uint64) (already bool) {
	page := b[n/pageBits]
	if page == nil {
		page = new([pageWords]uint64)
		b[n/pageBits] = page
	}
	word, bit := &page[n%pageBits/64], uint64(1)<<(n%64)
	already = *word&bit != 0
	*word |= bit
	return already
}
