package lvm

import (
	"math"
	"testing"
)

func FuzzReportIsReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"report":[{"lv":[{"lv_name":"thinpool","vg_name":"docker","lv_size":"1048576","data_percent":"12.50","metadata_percent":""}]}]}`))
	f.Add([]byte(`{"report":[{"lv":[{"lv_name":"thinpool","data_percent":"NaN"}]}],"log":[]}`))
	f.Add([]byte(`{"report":[{"lv":[]},{"seg":[{"lv_name":"x"}]}]}`))
	f.Add([]byte(`{"report":[null]}`))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, out []byte) {
		rows, err := parseReport[LogicalVolume](out)
		if err != nil && rows != nil {
			t.Errorf("rows come with the error %v", err)
		}
		for _, row := range rows {
			for _, p := range []Percent{row.DataPercent, row.MetadataPercent} {
				if math.IsNaN(float64(p)) || math.IsInf(float64(p), 0) {
					t.Errorf("%v is taken for a percentage: no comparison with it says anything", p)
				}
			}
		}
	})
}
