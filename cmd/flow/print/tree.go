package print

import "io"

// Node is a thing and what hangs below it.
type Node struct {
	// Label is one line.
	Label    string
	Children []*Node
}

// Add hangs a node below this one, and returns it.
func (n *Node) Add(child *Node) *Node {
	n.Children = append(n.Children, child)
	return child
}

// Tree writes trees with the roots at the left margin:
//
//	do_something  succeeded  12ms
//	├── do_this  succeeded  3ms
//	│   └── store  failed  1ms
//	└── do_that  running
func Tree(w io.Writer, roots ...*Node) error {
	for _, r := range roots {
		if err := branch(w, r, "", ""); err != nil {
			return err
		}
	}
	return nil
}

func branch(w io.Writer, n *Node, before, below string) error {
	if _, err := io.WriteString(w, before+n.Label+"\n"); err != nil {
		return err
	}
	for i, c := range n.Children {
		joint, trunk := "├── ", "│   "
		if i == len(n.Children)-1 {
			joint, trunk = "└── ", "    "
		}
		if err := branch(w, c, below+joint, below+trunk); err != nil {
			return err
		}
	}
	return nil
}
