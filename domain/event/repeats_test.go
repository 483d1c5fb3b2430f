package event

import (
	"fmt"
	"slices"
	"testing"
)

// cut lists the members of an object as text, and how the cutting ended.
func cut(r *repeats, object []byte) (members []string) {
	err := r.members(object, func(name, value []byte) bool {
		members = append(members, fmt.Sprintf("%s=%s", name, value))
		return true
	})
	return append(members, fmt.Sprint(err))
}

// What was in the line before changes nothing of how a line is cut.
func sameCut(t *testing.T, before, line []byte) {
	t.Helper()
	var r repeats
	memory := slices.Clone(before)
	cut(&r, memory)
	clear(memory) // a line's memory is used again
	want := cut(nil, line)
	for range 2 {
		if got := cut(&r, line); !slices.Equal(got, want) {
			t.Fatalf("cut into %q, want %q", got, want)
		}
	}
}

func TestRepeats(t *testing.T) {
	lines := []string{
		`{"n":1,"a":"x","b":{"c":[1]},"d":[],"e":null}`,
		`{"n":12,"a":"x","b":{"c":[1]},"d":[],"e":null}`,
		`{"n":1,"a":"x\"","b":{"c":[1]}}`,
		`{"n":1,"a":"x"y,"b":{}}`,
		`{"a":"x","n":1,"b":{"c":[1]},"d":[[]]}`,
		`{"n":1,"a":"x","b":{"c":[1]`,
		`{"n":1,"ab":"x","b":{"c":[1]}x,"d":[]}`,
		`{ "n" : 1 , "a" : "x" , "b" : { } }`,
		`{}`, `{`, ``, `[]`, `{"n"}`, `{"n":}`,
	}
	for _, before := range lines {
		for _, line := range lines {
			sameCut(t, []byte(before), []byte(line))
		}
	}
}

func FuzzRepeats(f *testing.F) {
	f.Add([]byte(`{"n":1,"a":"x","b":{"c":[1]}}`), []byte(`{"n":12,"a":"x\"","b":{"c":[1]}}`))
	line, _ := sample(&Decrypted{Key: "k"}).AppendLine(nil)
	f.Add(line, line)
	f.Fuzz(func(t *testing.T, before, line []byte) { sameCut(t, before, line) })
}
