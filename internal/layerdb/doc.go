// Package layerdb reads which layers Docker's own files name: its layer store,
// and the databases of the builder in dockerd. It only reads, also while dockerd
// runs, and decides nothing; whoever wants to delete what nobody names looks
// twice, since a name may be about to be written.
package layerdb
