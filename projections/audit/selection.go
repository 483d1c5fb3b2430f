package audit

import "bytes"

// selection is a search over one block: a verdict for each code of each column
// that was come by.
type selection struct {
	*search
	b         *block
	who       []verdict
	resources []verdict
	plain     [columns][]verdict
}

func (s *search) in(b *block) *selection { return &selection{search: s, b: b} }

// cheap are the columns with conditions that leave most records out, as a rule,
// before those that do less or cost more.
var cheap = []part{colOutcome, colSource, colOp}

// find is the records of the block that the search is for, by their places in it,
// in order.
func (x *selection) find() ([]int32, error) { return x.among(x.part()) }

// among keeps the places of records that the search is for. It reads of the block
// what it needs: where no record was refused, a search for refusals reads the
// outcomes.
func (x *selection) among(list []int32) ([]int32, error) {
	steps := make([]func([]int32) ([]int32, error), 0, 8)
	for _, id := range x.requests {
		steps = append(steps, func(l []int32) ([]int32, error) { return x.withRequest(l, id) })
	}
	if x.b.earliest < x.since || x.b.latest > x.until {
		steps = append(steps, x.withinTime)
	}
	for _, c := range cheap {
		if len(x.where[c]) > 0 {
			steps = append(steps, func(l []int32) ([]int32, error) { return x.plainly(l, c) })
		}
	}
	if len(x.where[colResources]) > 0 {
		steps = append(steps, x.withResources)
	}
	steps = append(steps, x.visibly)
	for _, step := range steps {
		if len(list) == 0 {
			break
		}
		var err error
		if list, err = step(list); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// part is the block's records whose n the search wants.
func (x *selection) part() []int32 {
	first, end := uint64(0), x.b.records
	if x.from > x.b.first {
		first = min(x.from-x.b.first, end)
	}
	if x.to < x.b.next()-1 {
		end = x.to + 1 - min(x.b.first, x.to+1)
	}
	list := make([]int32, 0, end-min(first, end))
	for i := first; i < end; i++ {
		list = append(list, int32(i))
	}
	return list
}

// only keeps the places that satisfy a condition.
func only(list []int32, ok func(i int) bool) []int32 {
	kept := list[:0]
	for _, i := range list {
		if ok(int(i)) {
			kept = append(kept, i)
		}
	}
	return kept
}

func (x *selection) withinTime(list []int32) ([]int32, error) {
	times, err := x.b.part(partTimes)
	if err != nil {
		return nil, err
	}
	return only(list, func(i int) bool {
		at := x.b.base + int64(times.codes.at(i))
		return at >= x.since && at <= x.until
	}), nil
}

func (x *selection) withRequest(list []int32, id wantedID) ([]int32, error) {
	others, err := x.b.part(colRequest)
	if err != nil {
		return nil, err
	}
	if !id.isUUID {
		return only(list, func(i int) bool {
			code := int(others.codes.at(i))
			return code != 0 && text(others.value(code)) == id.text
		}), nil
	}
	ids, err := x.b.part(partUUIDs)
	if err != nil {
		return nil, err
	}
	return only(list, func(i int) bool {
		return bytes.Equal(ids.bytes[16*i:16*i+16], id.uuid[:]) && others.codes.at(i) == 0
	}), nil
}

// plainly keeps the records whose value of a column satisfies the conditions on it.
func (x *selection) plainly(list []int32, c part) ([]int32, error) {
	column, err := x.b.part(c)
	if err != nil {
		return nil, err
	}
	seen := room(x.plain[c], column)
	x.plain[c] = seen
	return only(list, func(i int) bool {
		code := int(column.codes.at(i))
		if seen[code] == 0 {
			seen[code] = judged
			if code > 0 && x.satisfies(c, text(column.value(code))) {
				seen[code] |= own
			}
		}
		return seen[code]&own != 0
	}), nil
}

// room is the verdicts on a column's codes, with those that were come by before.
func room(seen []verdict, column *content) []verdict {
	return append(seen, make([]verdict, len(column.values)+1-len(seen))...)
}

// withResources keeps the records whose resources satisfy the conditions on them
// for somebody; visibly says for whom.
func (x *selection) withResources(list []int32) ([]int32, error) {
	resources, err := x.b.part(colResources)
	if err != nil {
		return nil, err
	}
	x.resources = room(x.resources, resources)
	return only(list, func(i int) bool {
		return x.resourcesVerdict(resources, int(resources.codes.at(i)))&(own|foreign) != 0
	}), nil
}

// visibly keeps the records that the account may see and whose caller and resources,
// as far as it may see them, satisfy the conditions on them.
func (x *selection) visibly(list []int32) ([]int32, error) {
	whos, err := x.b.part(colWho)
	if err != nil {
		return nil, err
	}
	x.who = room(x.who, whos)
	asked := len(x.where[colResources]) > 0
	var resources *content
	kept := list[:0]
	for _, i := range list {
		who := x.whoVerdict(whos, int(whos.codes.at(int(i))))
		if who&(own|foreign) == 0 || who&(mine|own) == mine {
			continue
		}
		if who&mine != 0 && !asked {
			kept = append(kept, i)
			continue
		}
		if resources == nil { // most searches of most accounts do without
			if resources, err = x.b.part(colResources); err != nil {
				return nil, err
			}
			x.resources = room(x.resources, resources)
		}
		on := x.resourcesVerdict(resources, int(resources.codes.at(int(i))))
		if x.management && who&nobody != 0 && on&owned == 0 { // of no account at all
			if who&own != 0 && on&own != 0 {
				kept = append(kept, i)
			}
			continue
		}
		if who&mine != 0 && on&own != 0 || who&mine == 0 && on&mine != 0 && who&on&foreign != 0 {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

func (x *selection) whoVerdict(whos *content, code int) verdict {
	if x.who[code] == 0 {
		x.who[code] = judged
		if code > 0 {
			x.who[code] |= x.judgeWho(whos.value(code))
		}
	}
	return x.who[code]
}

func (x *selection) resourcesVerdict(resources *content, code int) verdict {
	if x.resources[code] == 0 {
		x.resources[code] = judged
		switch {
		case code > 0:
			if v := resources.value(code); !x.lacks(colResources, v) {
				x.resources[code] |= x.judgeResources(parseResources(v))
			}
		case len(x.where[colResources]) == 0:
			x.resources[code] |= own | foreign
		}
	}
	return x.resources[code]
}

// satisfies reports whether a value satisfies all conditions on its column.
func (x *selection) satisfies(c part, value string) bool {
	judge := judges[c]
	for _, w := range x.where[c] {
		if !judge(value, w) {
			return false
		}
	}
	return true
}
