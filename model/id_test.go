package model_test

import (
	"strings"
	"testing"

	"github.com/elasticcode/flow/model"
)

// TestDerivedIDs: ids that follow from others are the same in every version, or a
// repeat of something that an older one did would not be recognised.
func TestDerivedIDs(t *testing.T) {
	t.Parallel()
	const call = "019E1F3A-0B1C-7ABC-8DEF-0123456789ab"
	for want, got := range map[string]string{
		"e3b0c442-98fc-8c14-9afb-f4c8996fb924": model.DeriveID(), "aa795aa4-bbb6-8179-91ef-062e271bcb05": model.DeriveID("a", "bc"), "629c2f14-f654-8026-886f-2aefe1855533": model.DeriveID("ab", "c"), "6e340b9c-ffb3-8a98-9ca5-44e6bb780a2c": model.DeriveID(""),
		"343db8fd-a0b1-86a3-8651-5d3e08de8752": model.DeriveID(strings.Repeat("long", 200), "é"),
		"019e1f3a-0b1c-8e00-be45-c6a74a5dc8da": model.DescendID(call, "plug", "0"), "ba6fbbfa-36fc-8fff-b2cc-03ec1f12baad": model.DescendID("", "plug"), "609fb62b-3782-892d-9f71-852675e07f82": model.DescendID("order-17", "plug"),
		"1e2e79e1-f649-8ddd-8826-f22ec5acd8f3": model.DescendID("019e1g3a-0b1c-7abc-8def-0123456789ab"), "019e1f3a-0b1c-8ef6-a776-4c4c1cbb5723": model.RunOf(strings.ToLower(call)),
	} {
		if got != want {
			t.Errorf("%s is not %s", got, want)
		}
	}
}
