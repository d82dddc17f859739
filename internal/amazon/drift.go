package amazon

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
)

// difference is one attribute whose value is not the wanted one.
type difference struct{ attribute, has, wants string }

func (d difference) String() string {
	return fmt.Sprintf("%s is %q, should be %q", d.attribute, d.has, d.wants)
}

// differences compares what is wanted, and nothing else, with what exists, in the order of the names.
func differences(has, wants map[string]string) []difference {
	var all []difference
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		if !same(has[name], wants[name]) {
			all = append(all, difference{name, has[name], wants[name]})
		}
	}
	return all
}

// same compares JSON by what it says, and other text byte for byte. The default of SNS for documents is none at all.
func same(has, wants string) bool {
	if has == wants || has == "" && wants == "{}" {
		return true
	}
	var h, w map[string]any
	if json.Unmarshal([]byte(has), &h) != nil || json.Unmarshal([]byte(wants), &w) != nil {
		return false
	}
	return reflect.DeepEqual(canonical(h), canonical(w))
}

// canonical makes spellings equal between which AWS does not distinguish: numbers and booleans may be strings, and a
// list of one is its element.
func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		plain := make(map[string]any, len(v))
		for name, value := range v {
			plain[name] = canonical(value)
		}
		return plain
	case []any:
		if len(v) == 1 {
			return canonical(v[0])
		}
		plain := make([]any, len(v))
		for i, value := range v {
			plain[i] = canonical(value)
		}
		return plain
	default:
		return fmt.Sprint(v)
	}
}
