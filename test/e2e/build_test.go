//go:build e2e

package e2e

import (
	"bytes"
	"strings"
	"testing"
)

// dockerfile has the steps that storage drivers get wrong: files deleted,
// renamed and replaced by other layers than those that made them, and files
// out of an image that nothing is built on. NAME makes each builder's layers
// its own: dockerd forgets to remove a layer that BuildKit made when another
// with the same content exists.
const dockerfile = `FROM busybox AS made
RUN mkdir -p /out/sub && echo one >/out/one && echo two >/out/two && echo deep >/out/sub/deep
RUN rm /out/one && mv /out/two /out/renamed && mv /out/sub /out/moved && chmod 700 /out/moved
FROM busybox
COPY --from=odd /odd/owned /copied-by-NAME
COPY --from=made /out /out
COPY context.txt /
RUN mv /copied-by-NAME /owned && ln -s /out/renamed /link && rm -r /out/moved && mkdir /out/moved && echo fresh >/out/moved/fresh
WORKDIR /work
CMD ["/bin/cat", "/link"]
`

// built is what the image holds afterwards.
func built(name string) map[string]string {
	return map[string]string{
		"copied-by-" + name: "absent",
		"owned":             "file 644 o",
		"context.txt":       "file 644 " + name,
		"link":              "link /out/renamed",
		"out":               "dir 755 moved renamed",
		"out/renamed":       "file 644 two",
		"out/moved":         "dir 755 fresh",
		"out/moved/fresh":   "file 644 fresh",
		"work":              "dir 755 ",
	}
}

func build(t *testing.T, s *stack, name, builder string) {
	context := tarOf(t, regular("Dockerfile", strings.ReplaceAll(dockerfile, "NAME", name)), regular("context.txt", name))
	s.runWith(t, []string{builder}, bytes.NewReader(context), "build", "-q", "--network", "none", "-t", name, "-")
	requireFiles(t, s, name, built(name))
}
