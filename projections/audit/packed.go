package audit

import (
	"encoding/binary"
	"math"
)

// packed is a list of numbers of 1, 2, 4 or 8 bytes each.
type packed struct {
	width int
	bytes []byte
}

func (p packed) at(i int) uint64 {
	switch p.width {
	case 1:
		return uint64(p.bytes[i])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p.bytes[2*i:]))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p.bytes[4*i:]))
	default:
		return binary.LittleEndian.Uint64(p.bytes[8*i:])
	}
}

func (p *packed) append(v uint64) {
	switch p.width {
	case 1:
		p.bytes = append(p.bytes, byte(v))
	case 2:
		p.bytes = binary.LittleEndian.AppendUint16(p.bytes, uint16(v))
	case 4:
		p.bytes = binary.LittleEndian.AppendUint32(p.bytes, uint32(v))
	default:
		p.bytes = binary.LittleEndian.AppendUint64(p.bytes, v)
	}
}

func (p packed) len() int { return len(p.bytes) / p.width }

// widthOf is how many bytes the number needs.
func widthOf(v uint64) int {
	switch {
	case v <= math.MaxUint8:
		return 1
	case v <= math.MaxUint16:
		return 2
	case v <= math.MaxUint32:
		return 4
	}
	return 8
}

// most is the largest number.
func (p packed) most() (most uint64) {
	switch p.width {
	case 1:
		for _, v := range p.bytes {
			most = max(most, uint64(v))
		}
	case 2:
		for i := 0; i+1 < len(p.bytes); i += 2 {
			most = max(most, uint64(p.bytes[i])|uint64(p.bytes[i+1])<<8)
		}
	default:
		for i := range p.len() {
			most = max(most, p.at(i))
		}
	}
	return most
}

// less is the list with a number taken from each, as narrow as that allows.
func (p packed) less(base uint64) packed {
	most := p.most()
	out := packed{width: widthOf(most - min(base, most))}
	out.bytes = make([]byte, 0, out.width*p.len())
	for i := range p.len() {
		out.append(p.at(i) - base)
	}
	return out
}
