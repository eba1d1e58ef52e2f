package disguise

import "math/bits"

// blankBefore returns the first byte that is not a blank or a control of those
// that end before i, but not before least.
func (r *reader) blankBefore(i, least int) int {
	for k := (i - 1) >> 6; k >= 0 && k >= least>>6; k-- {
		m := r.masks[k].blank
		if k == i>>6 {
			m &= 1<<(i&63) - 1
		}
		if m != 0 {
			return max(least, k<<6+bits.Len64(m))
		}
	}
	return least
}

// blankBehind returns the first blank or control from i on, but not behind most.
func (r *reader) blankBehind(i, most int) int {
	for k := i >> 6; k<<6 < most; k++ {
		m := r.masks[k].blank
		if k == i>>6 {
			m &= ^uint64(0) << (i & 63)
		}
		if m != 0 {
			return min(most, k<<6+bits.TrailingZeros64(m))
		}
	}
	return most
}

// mayBeAddress reports whether isAddress has something to look for in the bytes
// start..end: an @, a slash or www.
func (r *reader) mayBeAddress(start, end int) bool {
	for k := start >> 6; k<<6 < end; k++ {
		m := r.masks[k].at | r.masks[k].slash
		if k == start>>6 {
			m &= ^uint64(0) << (start & 63)
		}
		if k == end>>6 {
			m &= 1<<(end&63) - 1
		}
		if m != 0 {
			return true
		}
	}
	s := pastOpening(r.text[start:end])
	return len(s) > 0 && s[0] == 'w'
}

// pastOpening returns s without the punctuation that may stand before an address.
func pastOpening(s []byte) []byte {
	for len(s) > 0 && (s[0] == '(' || s[0] == '"' || s[0] == '.' || s[0] == '\'' || s[0] == '-' || s[0] == ':') {
		s = s[1:]
	}
	return s
}

// isAddress reports whether a chunk is a mention, a URL or an e-mail address.
func isAddress(s []byte) bool {
	s = pastOpening(s)
	if len(s) > 1 && s[0] == '@' && wordByte(s[1]) {
		return true
	}
	dot, at := false, false
	for i, c := range s {
		switch c {
		case '.':
			if i > 0 && i+1 < len(s) && wordByte(s[i-1]) && wordByte(s[i+1]) {
				if at || i == 3 && string(s[:3]) == "www" {
					return true
				}
				dot = true
			}
		case '@':
			at = at || i > 0 && i+1 < len(s) && wordByte(s[i-1]) && wordByte(s[i+1])
		case '/':
			if dot || i > 0 && s[i-1] == ':' && i+1 < len(s) && s[i+1] == '/' {
				return true
			}
		}
	}
	return false
}
