// Package brokered is the way of a write of a kind whose objects stand for something that others keep, such as a topic on Kafka's
// brokers: who may place it, who claims its name, what the brokers say, what is stored, what is answered, and what is deleted when
// the object is gone. It knows nothing of any one kind.
//
// A create asks the brokers once, for real, between the claim and the object, so that a refusal stores nothing and what is stored
// has its outcome already. A change is judged by the brokers, stored, and carried out: for one name one after the other, each time
// with the newest spec that is stored. After a store the answer is never an error.
package brokered

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// Object is a stored object of a kind.
type Object interface {
	runtime.Object
	metav1.Object
}

// Outcome is what came of an object on the brokers.
type Outcome[T any] struct {
	// ID is what the brokers call what is the object's; "" when nothing of it is known to be there.
	ID string
	// WithoutID says that what is the object's is there, and that the brokers give it no id.
	WithoutID bool
	// Made says that this call made it, TakenOver that it was somebody's before it became the object's.
	Made, TakenOver bool
	// Unanswered says that this call asked for it when it was not there, and that nobody knows what came of it: it may appear yet.
	Unanswered bool
	// Lost says that this call asked for it, and that the answer was lost, whatever was there before: it may be carried out however late.
	Lost bool
	// Record writes the outcome to the object: its status, and what the spec left to the brokers. generation is that of the spec that the
	// outcome is of: the object may have a newer one by then, whose outcome is not known, or is recorded already.
	Record func(obj T, generation int64)
}

// Leftover is what a former owner of a name may still have on the brokers.
type Leftover struct {
	// IDs are still to be deleted. Unproven are those of them that stay when somebody has used what has them: they were told by what it is like.
	IDs, Unproven []string
	// Wanted is what may have been made without anybody recording its id: any of it, or nothing.
	Wanted []json.RawMessage
	// Unanswered is what was asked for, and may come late. Came tells whether what has the name by now may be that; it is nil when nothing is
	// awaited.
	Unanswered []json.RawMessage
	Came       func(context.Context) (bool, error)
}

// Verdict is what the brokers say of a write that was not carried out.
type Verdict[T any] struct {
	// Fill writes to the answer of a dry run what the spec leaves to the brokers; nil for nothing.
	Fill func(obj T)
	// Absent says that the brokers do not have what the object asks for, Judged that they have it and that it agrees with the object.
	Absent, Judged bool
}

// Kind is what the library has to know of a kind of objects T that are placed on hosts H. Errors that it returns to callers are API
// errors, or those of the Backend, which become some.
type Kind[T Object, H any] interface {
	// Name is the name that an object claims, and that it has on the brokers.
	Name(obj T) storage.Name
	// Retain tells whether what the object has on the brokers stays when it is deleted. said is false when the object leaves that open: then
	// what was taken over stays, and everything else goes.
	Retain(obj T) (retain, said bool)
	// Wanted is what the object asks the brokers for, to recognize what was made although nobody could record its id; nil when nothing is to
	// be made for it.
	Wanted(obj T) (json.RawMessage, error)
	// ReportedID is the id that the object's status names.
	ReportedID(obj T) string
	// Report writes an id to the object's status.
	Report(obj T, id string)

	// Access refuses a caller who may not place the object, or change it so. before is nil for a create. It is asked before anything
	// else, so that nobody learns what exists by trying.
	Access(ctx context.Context, obj, before T) error
	// MayAdopt tells whether the caller may take over what is on the brokers already and is nobody's.
	MayAdopt(ctx context.Context, obj T) bool
	// Claimed is the answer to a create whose name is the owner's of another claim.
	Claimed(ctx context.Context, obj T, standing *storage.Claim) error

	// Host is where an object is placed, with the uid of its Kafka. applied says that the object is the first of a manifest that is
	// applied, so that its host may follow. An error for which Backend.Away is true lets the object be stored without asking anybody.
	Host(ctx context.Context, obj, before T, applied bool) (H, types.UID, error)

	// Concerns tells whether an update is of any interest to the brokers.
	Concerns(obj, before T) bool
	// Judge asks the brokers what they would say to a write. before is nil for a create.
	Judge(ctx context.Context, host H, obj, before T, left Leftover) (Verdict[T], error)
	// JudgeAlone judges a write without the brokers, by what is stored. before is nil for a create.
	JudgeAlone(obj, before T) error
	// Create makes what a new object asks for, or takes over what is there if the caller may. Its errors are the brokers' refusals,
	// after which nothing of the object is there.
	Create(ctx context.Context, host H, obj T, left Leftover) (Outcome[T], error)
	// Converge makes the brokers have what a stored object says. It can be repeated. verdict is what they said of it, the zero value
	// when they were not asked.
	Converge(ctx context.Context, host H, obj T, verdict Verdict[T]) (Outcome[T], error)
	// Unreachable is the outcome of a write of which nobody was told, Failed that of one that was not carried out, or not known to be.
	Unreachable(err error) Outcome[T]
	Failed(err error) Outcome[T]

	// Find looks for what may have been made without anybody recording its id. The id is "" when there is no such thing.
	Find(ctx context.Context, host H, claim *storage.Claim) (id string, err error)
	// Has looks for what has a name. The id is "" where the host gives none.
	Has(ctx context.Context, host H, name storage.Name) (id string, found bool, err error)
	// Members are the parts of the host that serve at the moment, each of which may carry out late what it was asked for.
	Members(ctx context.Context, host H) ([]string, error)
	// Remove deletes what has an id on the brokers, if it also has the name, or one that collides with it and so had the same claim, and with
	// unlessUsed if nobody has used it. kept says that it stays for good, and that whoever asked for it was told.
	Remove(ctx context.Context, host H, name storage.Name, id string, unlessUsed bool) (kept bool, err error)
}
