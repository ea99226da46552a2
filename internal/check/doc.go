// Package check compares the accounts of one pool: our records with what the
// pool holds, and the layers with those that Docker's own files name. It is
// pure logic over what others have read: it opens nothing, changes nothing and
// decides nothing beyond what is wrong.
package check
