package model

import "testing"

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rate{"10/s": "10/s", " 90/M ": "90/m", "5/h": "5/h", "none": "", "0": "", "": "", "007/s": "7/s"} {
		if have, err := ParseRate(text); err != nil || have != want {
			t.Errorf("%q is %q, %v, want %q", text, have, err, want)
		}
	}
	for _, bad := range []string{"10", "10/d", "-1/s", "0/s", "1.5/s", "x/s", "/s", "10/", "9999999/s", "10/s/s"} {
		if have, err := ParseRate(bad); err == nil {
			t.Errorf("%q is taken as %q", bad, have)
		}
	}
}

func TestRatePerSecond(t *testing.T) {
	t.Parallel()
	for r, want := range map[Rate]float64{"10/s": 10, "90/m": 1.5, "36/h": 0.01, "": 0} {
		if have := r.PerSecond(); have != want {
			t.Errorf("%q is %v a second, want %v", r, have, want)
		}
	}
}

func TestLimitSize(t *testing.T) {
	t.Parallel()
	for l, want := range map[Limit]int{{Rate: "10/s"}: 10, {Rate: "90/m"}: 1, {Rate: "1/h"}: 1, {Rate: "1/h", Burst: 7}: 7} {
		if have := l.Size(); have != want {
			t.Errorf("%+v holds %d, want %d", l, have, want)
		}
	}
}

func TestLimitChanged(t *testing.T) {
	t.Parallel()
	none, fast, five := "none", "10/s", 5
	was := Limit{Rate: "1/s", Burst: 3}
	if l, err := was.Changed(&none, nil); err != nil || l != (Limit{}) {
		t.Errorf("without a rate it is %+v, %v", l, err)
	}
	if l, err := was.Changed(&fast, nil); err != nil || l != (Limit{Rate: "10/s", Burst: 3}) {
		t.Errorf("with another rate it is %+v, %v", l, err)
	}
	if l, err := was.Changed(nil, &five); err != nil || l != (Limit{Rate: "1/s", Burst: 5}) {
		t.Errorf("with another burst it is %+v, %v", l, err)
	}
}
