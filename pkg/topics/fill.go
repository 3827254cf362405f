package topics

// Open are the fields of a spec that brokers fill in where it leaves them open. A nil field is not filled in.
type Open[P ~string] struct {
	Partitions, Replicas **int32
	DeletionPolicy       *P
}

// Deletion policies, as the API has them.
const (
	deletes = "Delete"
	retains = "Retain"
)

// Fill writes to a spec what it left to the brokers or what was done outside, and returns the names of the fields that it has changed. The
// records of a topic that was taken over were somebody's before, so that they stay unless the spec says otherwise.
func Fill[P ~string](open Open[P], have OnBrokers, takenOver bool) (filled []string) {
	if n := have.Partitions; open.Partitions != nil && n > 0 && (*open.Partitions == nil || **open.Partitions < n) {
		*open.Partitions = &n
		filled = append(filled, "partitions")
	}
	if n := have.Replicas; open.Replicas != nil && n > 0 && *open.Replicas == nil {
		*open.Replicas = &n
		filled = append(filled, "replicas")
	}
	if open.DeletionPolicy != nil && *open.DeletionPolicy == "" {
		*open.DeletionPolicy = deletes
		if takenOver {
			*open.DeletionPolicy = retains
		}
		filled = append(filled, "deletionPolicy")
	}
	return filled
}
