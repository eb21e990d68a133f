// Package quickjson reads and writes the JSON of our own structs, several times as
// fast as encoding/json, which every call would else pass a dozen times on its way.
// What a struct is stays with its room, which names the members here in a switch or
// one after the other; its tests hold both ways to what encoding/json does.
package quickjson
