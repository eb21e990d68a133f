package result

// A cancelled run has a result of its own, under an id that no call has. While
// calls of cancelled runs may still be made by those that were in flight, there
// is one more result, which tells workers that looking is worth their time.

// CancelsUnderWay is the id of that one: it is there while runs that were
// cancelled have not come to rest.
const CancelsUnderWay = "cancels/under-way"

// CancelledRun is the id of the result that a cancelled run has.
func CancelledRun(tracking string) string { return "cancels/run/" + tracking }
