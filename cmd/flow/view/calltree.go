package view

import (
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// Tree arranges calls, parents before children, below their parents; calls
// whose parents are not among them are roots. A call with several parents (a
// join) hangs below the first of them, and the others point to it.
func Tree(p print.Printer, calls []model.Call) []*print.Node {
	nodes := make(map[string]*print.Node, len(calls))
	var roots []*print.Node
	for _, c := range calls {
		node := &print.Node{Label: label(p, c)}
		placed := false
		for _, parent := range c.Parents {
			above, known := nodes[parent] // only earlier calls: a ring is impossible
			switch {
			case known && !placed:
				above.Children = append(above.Children, node)
				placed = true
			case known:
				above.Children = append(above.Children, &print.Node{Label: p.Paint(print.Faint, "→ "+print.Line(c.Socket+"  "+c.ID)+"  (shown above)")})
			}
		}
		if !placed {
			roots = append(roots, node)
		}
		nodes[c.ID] = node
	}
	return roots
}

func label(p print.Printer, c model.Call) string {
	text := p.Paint(print.Bold, print.Line(name(c))) + "  " + p.Paint(print.Faint, c.ID) + "  " + p.Paint(print.StyleOfState(c.State), string(c.State))
	if d := print.Duration(c.Duration()); d != "" {
		text += "  " + d
	}
	if c.Argument != "" {
		text += "  " + p.Paint(print.Faint, "argument "+print.Line(c.Argument))
	}
	if c.Failure != nil {
		text += "  " + p.Paint(print.Bad, print.Line(c.Failure.Error+": "+c.Failure.Message))
	}
	return text
}

func name(c model.Call) string {
	if c.Socket != "" {
		return c.Socket
	}
	return Function(c)
}
