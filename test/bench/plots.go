package main

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plotDir is where the manual's pages keep their plots, beside them.
const plotDir = "images"

// plots draws every sample of the times, so that the spread shows.
func plots(r *Results, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, t := range trios {
		subjects := slices.DeleteFunc([]string{t.own, t.builtin, t.overlay}, func(s string) bool { return s == "" })
		errs = append(errs, dots(r, filepath.Join(dir, t.plot()), t.title, subjects))
	}
	return errors.Join(errs...)
}

// plot is the file's name.
func (t trio) plot() string {
	return "bench-" + strings.ReplaceAll(strings.ToLower(t.title), " ", "-") + ".svg"
}

// withPlots shows each table's plot, which lies in dir, below its title.
func withPlots(text, dir string) string {
	for _, t := range trios {
		title := "### " + t.title + "\n\n"
		text = strings.Replace(text, title, title+"!["+t.title+"]("+dir+"/"+t.plot()+")\n\n", 1)
	}
	return text
}

var colors = []color.Color{
	color.RGBA{R: 0x1b, G: 0x6c, B: 0xb5, A: 0xff},
	color.RGBA{R: 0xd0, G: 0x5a, B: 0x2a, A: 0xff},
	color.RGBA{R: 0x4f, G: 0x9a, B: 0x4a, A: 0xff},
}

// dots has a line a figure, and time on a logarithmic axis. It draws nothing
// where the first subject was not measured.
func dots(r *Results, path, title string, subjects []string) error {
	rows := plotted(r, subjects[0])
	if len(rows) == 0 {
		return nil
	}
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "milliseconds, logarithmic; each round is a dot"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.NominalY(rows...)
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Left = false, false
	for i, name := range subjects {
		s, err := plotter.NewScatter(points(r, name, rows, float64(len(subjects)-1)/2-float64(i)))
		if err != nil {
			return fmt.Errorf("plot %s: %w", name, err)
		}
		s.Color, s.Shape, s.Radius = colors[i], plotutil.Shape(i), vg.Points(2.5)
		p.Add(s)
		p.Legend.Add(name, s)
	}
	height := vg.Length(len(rows))*0.8*vg.Centimeter + 3*vg.Centimeter
	return p.Save(24*vg.Centimeter, height, path)
}

// plotted names the figures that are times, the first at the top.
func plotted(r *Results, subject string) []string {
	var rows []string
	for _, f := range figures {
		if f.unit == inSeconds && len(r.samples(f.name, subject)) > 0 {
			rows = append(rows, f.name)
		}
	}
	slices.Reverse(rows)
	return rows
}

// points of one subject lie a little above or below their line.
func points(r *Results, subject string, rows []string, shift float64) plotter.XYs {
	var xys plotter.XYs
	for y, name := range rows {
		for _, sample := range r.samples(name, subject) {
			xys = append(xys, plotter.XY{X: positive(sample) * 1e3, Y: float64(y) + shift*0.22})
		}
	}
	return xys
}
