// Package manual reads the pages of the manual as a list of steps, so that
// tests can do what they say. It knows Markdown's code blocks and nothing of
// what is in them; running them is package e2e's business.
package manual

import (
	"fmt"
	"os"
	"strings"
)

// Step is one thing the reader is told to do.
type Step struct {
	Line    int      // of the page
	Section string   // the heading above it of the second level, or ""
	Command string   // for a shell, or ""
	Output  []string // lines that the page shows as the command's output
	Config  string   // new content of /etc/docker/daemon.json, or ""
}

// Page is what a test does to follow a page.
type Page struct {
	Steps  []Step
	Unread []int // lines of blocks that are neither steps nor explained
}

// Section returns the steps of one section, or all with section empty.
func (p Page) Section(section string) []Step {
	var steps []Step
	for _, s := range p.Steps {
		if section == "" || s.Section == section {
			steps = append(steps, s)
		}
	}
	return steps
}

// notRun explains, in a comment above a block, why no test runs it.
const notRun = "<!-- not run: "

// Read reads a page. In a block marked "console" each line after the prompt #
// is a command, continued where it ends in a backslash or opens a here
// document; other lines are output. A block marked "json" is daemon.json's new
// content. Other marks are for things to look at.
func Read(path string) (Page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Page{}, err
	}
	var p Page
	lines := strings.Split(string(text), "\n")
	before := "" // the last line of text that is not blank
	section := ""
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " ")
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			section = heading
		}
		mark, isBlock := strings.CutPrefix(line, "```")
		if !isBlock {
			if line != "" {
				before = line
			}
			continue
		}
		// A block within a list is indented with the list's text.
		indent := lines[i][:len(lines[i])-len(line)]
		var body []string
		begin := i
		for i++; i < len(lines) && lines[i] != indent+"```"; i++ {
			body = append(body, strings.TrimPrefix(lines[i], indent))
		}
		if i == len(lines) {
			return Page{}, fmt.Errorf("%s:%d: the block does not end", path, begin+1)
		}
		had := len(p.Steps)
		p.add(begin+1, mark, before, body)
		for n := range p.Steps[had:] {
			p.Steps[had+n].Section = section
		}
		before = ""
	}
	return p, nil
}

func (p *Page) add(line int, mark, before string, body []string) {
	switch explained := strings.HasPrefix(before, notRun); {
	case explained && len(before) > len(notRun+"  -->"):
	case mark == "console":
		p.Steps = append(p.Steps, commands(line, body)...)
	case mark == "json":
		p.Steps = append(p.Steps, Step{Line: line, Config: strings.Join(body, "\n")})
	case mark == "":
		// Output or a picture.
	default:
		p.Unread = append(p.Unread, line)
	}
}

// commands finds the commands of a block.
func commands(line int, body []string) []Step {
	var steps []Step
	for i := 0; i < len(body); i++ {
		command, ok := strings.CutPrefix(body[i], "# ")
		if !ok {
			if len(steps) > 0 {
				last := &steps[len(steps)-1]
				last.Output = append(last.Output, body[i])
			}
			continue
		}
		s := Step{Line: line + 1 + i}
		for strings.HasSuffix(command, "\\") && i+1 < len(body) {
			i++
			command += "\n" + body[i]
		}
		if _, end, ok := strings.Cut(command, "<<'"); ok {
			end, _, _ = strings.Cut(end, "'")
			for i+1 < len(body) {
				i++
				command += "\n" + body[i]
				if body[i] == end {
					break
				}
			}
		}
		s.Command = command
		steps = append(steps, s)
	}
	return steps
}
