package topics

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Desired is a topic that an object asks for, and what is known of it before the brokers are asked.
type Desired struct {
	Name string
	Spec Spec
	// TopicID is the id of the object's topic, "" when it had none, and AdoptTopicID that of a topic to take over.
	TopicID, AdoptTopicID string
	// WithoutID says that the object had a topic to which its brokers gave no id.
	WithoutID bool
	// MadeID is the id of a topic that was made for the object, which does not have it as TopicID yet.
	MadeID string
	// Tombstoned are the ids of deleted objects' topics, which may still hold the name.
	Tombstoned []string
	// Absent says that the brokers do not have the topic, as far as is known: a create tells as well as a question.
	Absent bool
	// Judged says that the topic which is there was compared with the spec, and that the object may have it.
	Judged bool
	// CarriedOut says that the brokers had what this spec asks for. What differs now was done outside.
	CarriedOut bool
	// ReportOnly says that what was done outside is told and left as it is.
	ReportOnly bool
	// NotKept is the message of an object that has ReasonConfigNotKept: settings that it tells of are not set back again.
	NotKept string
	// Remaking says that the object's topic had gone and was about to be made again. Another that is as the spec says, and that nobody has
	// used, is the one that was made.
	Remaking bool
	// Unconfirmed says that the object has ReasonOutcomeUnknown: what it still lacks is not asked for again.
	Unconfirmed bool
}

// Hooks are called by Converge; each may be nil.
type Hooks struct {
	// Stands is called before a topic is made again, grown or configured, and after it was configured. It fails when the object is not
	// any more what was read: others may have carried out a newer spec, or delete the topic.
	Stands func(context.Context) error
	// TakeOver is called before anything is done to a topic whose id is not Desired.TopicID. Nothing is done if it fails.
	TakeOver func(context.Context, broker.Topic) error
	// Remake is called before a topic is made in the place of one that the object had. Nothing is made if it fails.
	Remake func(context.Context) error
	// Whose tells of a topic that is not as specified whose it is. It is called before a topic counts as somebody else's.
	Whose func(context.Context, broker.Topic) (Title, error)
	// Made is called as soon as a topic was made.
	Made func(OnBrokers)
	// Reserve is called before so many partitions of so many replicas each are added, 0 for what is left to the brokers, and released
	// when that has ended. problem says why the cluster does not take them.
	Reserve func(ctx context.Context, partitions, replicas int32) (release func(), problem string, err error)
	// Aside runs a call that shares its request to the brokers with others.
	Aside func(context.Context, func())
}

// Seen is what the brokers said of a topic.
type Seen struct {
	// Asked says that they were asked for the topic, and Found that they have it.
	Asked, Found bool
	Topic        broker.Topic
	// Followed says that they told which partitions move, and that Topic is what it will be when they have arrived.
	Followed bool
	// Described says that they told its settings, which are Config.
	Described bool
	Config    []broker.ConfigEntry
	// Seconded says that Config is what two brokers tell, as far as it differs from the spec.
	Seconded bool
	// Examined says that they told whether the topic ever held a record, and NeverUsed that it did not.
	Examined, NeverUsed bool
}

// Step is what to do next about a topic.
type Step string

const (
	// StepAsk asks for the topic, StepFollow where its partitions move, StepDescribe for its settings.
	StepAsk      Step = "Ask"
	StepFollow   Step = "Follow"
	StepDescribe Step = "Describe"
	// StepSecond asks a second broker for the settings, as the first may live in the past.
	StepSecond Step = "Second"
	// StepExamine asks whether the topic ever held a record.
	StepExamine Step = "Examine"
	// StepCreate makes the topic.
	StepCreate Step = "Create"
	// StepChange takes the topic over if it is not known to be the object's, grows it and sets its settings.
	StepChange Step = "Change"
	// StepNone leaves everything as it is.
	StepNone Step = "None"
)

// Decision is what to do next, and what the topic has come to when that is done.
type Decision struct {
	Step    Step
	Changes Steps
	// Again says that a topic is made that was there before, TakeOver that the topic's id is not the one known.
	Again, TakeOver bool
	// Drift tells the settings that Changes sets back.
	Drift   string
	Outcome Outcome
}

// Decide says what to do next about a topic. It is pure.
func Decide(want Desired, seen Seen) Decision {
	switch {
	case !seen.Asked && (!want.Absent || want.adopts()):
		return Decision{Step: StepAsk}
	case !seen.Found:
		return decideMissing(want)
	case !want.Remaking && !want.mine(seen.Topic):
		return decideReplaced(want, seen.Topic)
	case !seen.Followed && MayMove(want.Spec, seen.Topic):
		return Decision{Step: StepFollow}
	case !seen.Described:
		return Decision{Step: StepDescribe}
	}
	return decideChange(want, seen)
}

func decideReplaced(want Desired, have broker.Topic) Decision {
	v := waiting(ReasonTopicReplaced, want.notMine(have))
	v.Replacement = have.ID.String()
	return Decision{Step: StepNone, Outcome: Outcome{Verdict: v}}
}

// adopts tells whether the object has no topic and is to take over one that has an id.
func (d Desired) adopts() bool { return d.TopicID == "" && d.AdoptTopicID != "" }

// mine tells whether a topic is the object's, is to be, or was made for it.
func (d Desired) mine(have broker.Topic) bool {
	return Mine(d.TopicID, d.AdoptTopicID, have.ID) || d.made(have)
}

// made tells whether a topic is known to have been made for the object.
func (d Desired) made(have broker.Topic) bool { return d.MadeID != "" && d.MadeID == have.ID.String() }

// had tells whether the object had a topic, and has whether it is the one that it had.
func (d Desired) had() bool { return d.TopicID != "" || d.WithoutID }

func (d Desired) has(have broker.Topic) bool {
	if d.TopicID == "" {
		return d.WithoutID && have.ID.IsZero()
	}
	return d.TopicID == have.ID.String()
}

// notMine says that a topic of the name is not the object's.
func (d Desired) notMine(have broker.Topic) string {
	if d.adopts() {
		return NotThere(d.Name, d.AdoptTopicID, &have)
	}
	return Replaced(d.TopicID, have)
}

func decideMissing(want Desired) Decision {
	switch {
	case want.adopts():
		return Decision{Step: StepNone, Outcome: Outcome{Verdict: waiting(ReasonTopicMissing, NotThere(want.Name, want.AdoptTopicID, nil))}}
	case want.had() && want.CarriedOut && want.ReportOnly:
		const message = "the topic is not on the brokers any more"
		v := waiting(ReasonTopicMissing, message+"; a write of the spec makes it again")
		v.DriftReason, v.Drift = ReasonTopicDeleted, message
		return Decision{Step: StepNone, Outcome: Outcome{Verdict: v}}
	case want.Unconfirmed:
		return Decision{Step: StepNone, Outcome: Outcome{Verdict: Unconfirmed(want.Name)}}
	}
	if problem := TooManyAtOnce(0, ptr.Deref(want.Spec.Partitions, 0), want.Spec.Config); problem != "" {
		return Decision{Step: StepNone, Outcome: Outcome{Verdict: waiting(ReasonTooManyPartitions, problem)}}
	}
	return Decision{Step: StepCreate, Again: want.had()}
}

func decideChange(want Desired, seen Seen) Decision {
	have := Known(seen.Topic)
	d := Decision{Step: StepChange, Changes: Compare(want.Spec, seen.Topic, seen.Config), TakeOver: !want.has(seen.Topic)}
	mine := want.mine(seen.Topic)
	if !mine || want.TopicID == "" && !want.has(seen.Topic) && !want.Judged && !want.made(seen.Topic) {
		problems := Disagreements(want.Spec, seen.Topic, seen.Config, field.NewPath("spec"))
		switch {
		case len(problems) == 0:
		case !mine:
			return decideReplaced(want, seen.Topic)
		default:
			message := strings.ReplaceAll(problems.ToAggregate().Error(), "\n", "; ")
			return Decision{Step: StepNone, Outcome: Outcome{Verdict: waiting(ReasonTopicExists, message)}}
		}
	}
	// While it could not be made again, anybody can have made one of the name.
	switch {
	case mine:
	case !seen.Examined:
		return Decision{Step: StepExamine}
	case !seen.NeverUsed:
		return decideReplaced(want, seen.Topic)
	}
	d.Outcome = Outcome{Have: &have, Verdict: AsSpecified(want.Name, want.Spec, have)}
	if problem := TooManyAtOnce(have.Partitions, d.Changes.Grow, nil); problem != "" {
		d.Changes.Grow = 0
		d.Outcome.Verdict = waiting(ReasonTooManyPartitions, problem)
	} else if d.Changes.Grow > 0 && want.Unconfirmed {
		d.Changes.Grow = 0
		d.Outcome.Verdict = Unconfirmed(want.Name)
	}
	if !want.CarriedOut {
		return d
	}
	// What is as specified is left alone, also a setting whose value brokers do not tell.
	drift := Drift(want.Spec.Config, seen.Config)
	if drift != "" && !seen.Seconded {
		return Decision{Step: StepSecond}
	}
	if drift == "" || want.ReportOnly || NotKept(drift) == want.NotKept {
		d.Changes.Set, d.Changes.Remove = nil, nil
	}
	switch {
	case drift == "":
	case want.ReportOnly:
		d.Outcome.DriftReason, d.Outcome.Drift = ReasonConfigDiffers, drift
		if d.Outcome.Status == metav1.ConditionTrue {
			d.Outcome.Message = fmt.Sprintf("topic %s is on the brokers; its settings differ, as the condition Drifted says", want.Name)
		}
	case NotKept(drift) == want.NotKept:
		d.Outcome.Verdict = waiting(ReasonConfigNotKept, want.NotKept)
	default:
		d.Drift = drift
	}
	return d
}

// Unconfirmed says that a large request was sent and that nobody knows what came of it.
func Unconfirmed(name string) Verdict {
	return waiting(ReasonOutcomeUnknown, fmt.Sprintf("the brokers were asked for the partitions of topic %s and did not answer; it is not done again, because so many may have ended "+
		"them: wait until they show, or change the spec to try again", name))
}

// Converge makes the brokers have what an object asks for: it observes, decides (Decide) and carries out, until there is nothing left to
// do. It can be repeated. The error is that of a hook or of the brokers.
func Converge(ctx context.Context, brokers Brokers, want Desired, hooks Hooks) (Outcome, error) {
	var seen Seen
	for {
		var err error
		switch d := Decide(want, seen); d.Step {
		case StepAsk:
			seen.Topic, seen.Found, err = brokers.Topic(ctx, want.Name)
			seen.Asked = true
		case StepFollow:
			seen.Topic, err = Follow(ctx, brokers, seen.Topic)
			seen.Followed = true
		case StepDescribe:
			seen.Config, err = brokers.TopicConfig(ctx, seen.Topic.Name)
			seen.Described = true
		case StepSecond:
			var opinions [][]broker.ConfigEntry
			opinions, err = brokers.ConfigOpinions(ctx, seen.Topic.Name)
			for _, said := range opinions {
				if seen.Config = said; Drift(want.Spec.Config, said) == "" {
					break
				}
			}
			seen.Seconded = true
		case StepExamine:
			seen.NeverUsed, err = brokers.NeverUsed(ctx, seen.Topic)
			seen.Examined = true
		case StepCreate:
			var done *Outcome
			if done, seen.Topic, err = create(ctx, brokers, want, d, hooks); done != nil || err != nil {
				return ptr.Deref(done, Outcome{}), err
			}
			// Another was faster, or the broker that was asked had not heard of it: nobody has compared this topic with the spec.
			seen.Asked, seen.Found, want.Judged = true, true, false
		case StepChange:
			done, refused := change(ctx, brokers, want, seen, d, hooks)
			if d.Changes.Grow == 0 || kafkaerr.CodeOf(refused) != kafkaerr.InvalidPartitions {
				return done, refused
			}
			// Partitions only grow: when there are enough by now, somebody else has added them, or a request of ours did whose answer was lost.
			var topic broker.Topic
			var found bool
			if topic, found, err = brokers.Topic(ctx, want.Name); err == nil && (!found || topic.ID != seen.Topic.ID || len(topic.Partitions) < int(d.Changes.Grow)) {
				return done, refused
			}
			seen, want.TopicID, want.WithoutID = Seen{Asked: true, Found: true, Topic: topic}, topic.ID.String(), topic.ID.IsZero()
		default:
			if d.Outcome.Reason != ReasonTopicExists || hooks.Whose == nil {
				return d.Outcome, nil
			}
			whose, err := hooks.Whose(ctx, seen.Topic)
			switch {
			case err != nil || whose == TitleAdoptable:
				return d.Outcome, err
			case whose == TitleLeft:
				return Outcome{Verdict: DeletionPending(want.Name)}, nil
			case whose == TitleElsewhere:
				return Outcome{Verdict: HadElsewhere(want.Name)}, nil
			case whose == TitleForbidden:
				return Outcome{Verdict: Exists(fmt.Sprintf("topic %s is on the brokers already and is not as the spec says, and who made this object had no right to take it over: "+
					"whoever has the verb \"own\" on the Kafka can, by making them agree: %s", want.Name, d.Outcome.Message))}, nil
			}
			want.MadeID = seen.Topic.ID.String()
		}
		if err != nil {
			return Outcome{}, err
		}
	}
}

// create makes the topic. Without an outcome and an error the topic returned has the name.
func create(ctx context.Context, brokers Brokers, want Desired, d Decision, hooks Hooks) (done *Outcome, taken broker.Topic, err error) {
	release, problem, err := hooks.reserve(ctx, ptr.Deref(want.Spec.Partitions, 0), ptr.Deref(want.Spec.Replicas, 0))
	if err != nil {
		return nil, broker.Topic{}, err
	}
	defer release()
	if problem != "" {
		return &Outcome{Verdict: waiting(ReasonTooManyPartitions, problem)}, broker.Topic{}, nil
	}
	if d.Again {
		// A deletion may be that of the object's owner.
		if err := hooks.stands(ctx); err != nil {
			return nil, broker.Topic{}, err
		}
		if hooks.Remake != nil {
			if err := hooks.Remake(ctx); err != nil {
				return nil, broker.Topic{}, err
			}
		}
	}
	return Make(ctx, brokers, want.Name, want.Spec, want.Tombstoned, hooks)
}

// Make makes a topic that an object asks for and that nobody is known to have. Without an outcome and an error the topic returned has the
// name. A large request whose outcome is unknown is an outcome, too: it is not repeated.
func Make(ctx context.Context, brokers Brokers, name string, spec Spec, tombstoned []string, hooks Hooks) (done *Outcome, taken broker.Topic, err error) {
	topic := New(name, spec)
	var created *broker.CreatedTopic
	hooks.aside(ctx, func() { created, taken, err = Create(ctx, brokers, topic, tombstoned, false) })
	if kafkaerr.IsUnknownOutcome(err) && Large(topic.Partitions, int32(topic.Replicas)) {
		return &Outcome{Verdict: Unconfirmed(name), Unanswered: kafkaerr.MayAppear(err), Lost: true}, broker.Topic{}, nil
	}
	if err != nil || created == nil {
		return nil, taken, err
	}
	// What the brokers answered is newer than what another broker's metadata would say now.
	have := OnBrokers{ID: created.ID, Partitions: known(created.Partitions, topic.Partitions), Replicas: known(int32(created.Replicas), int32(topic.Replicas))}
	if have.ID.IsZero() || have.Partitions == 0 || have.Replicas == 0 {
		// Brokers before 2.8 and 2.4 do not tell.
		found, there, err := brokers.Topic(ctx, name)
		switch {
		case err != nil:
			return nil, broker.Topic{}, err
		case !there:
			return nil, broker.Topic{}, fmt.Errorf("topic %s was created and is not on the brokers yet", name)
		}
		have = Known(found)
	}
	if hooks.Made != nil {
		hooks.Made(have)
	}
	return &Outcome{Have: &have, Made: true, Verdict: AsSpecified(name, spec, have)}, broker.Topic{}, nil
}

func known(told, asked int32) int32 {
	if told < 0 {
		told = asked
	}
	return max(told, 0)
}

// change takes the topic over, grows it and sets its settings.
func change(ctx context.Context, brokers Brokers, want Desired, seen Seen, d Decision, hooks Hooks) (Outcome, error) {
	if d.TakeOver && hooks.TakeOver != nil {
		if err := hooks.TakeOver(ctx, seen.Topic); err != nil {
			return Outcome{}, err
		}
	}
	done := d.Outcome
	if d.Changes.Grow > 0 {
		var err error
		if done, err = grow(ctx, brokers, want, d, hooks); err != nil || done.Reason == ReasonOutcomeUnknown {
			return done, err
		}
	}
	if len(d.Changes.Set)+len(d.Changes.Remove) == 0 {
		return done, nil
	}
	// What looks changed outside may be what a newer spec says, which another process has carried out already.
	if err := hooks.stands(ctx); err != nil {
		return Outcome{}, err
	}
	if err := brokers.AlterTopicConfig(ctx, want.Name, d.Changes.Set, d.Changes.Remove, false); err != nil {
		return Outcome{}, err
	}
	done.Reverted = d.Drift
	// It may have done so meanwhile. Then this has undone it, and the topic has to be looked at again.
	return done, hooks.stands(ctx)
}

// grow adds partitions to the topic.
func grow(ctx context.Context, brokers Brokers, want Desired, d Decision, hooks Hooks) (Outcome, error) {
	done, have := d.Outcome, *d.Outcome.Have
	release, problem, err := hooks.reserve(ctx, d.Changes.Grow-have.Partitions, have.Replicas)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	if problem != "" {
		done.Verdict = waiting(ReasonTooManyPartitions, problem)
		return done, nil
	}
	if err := hooks.stands(ctx); err != nil {
		return Outcome{}, err
	}
	err = brokers.CreatePartitions(ctx, want.Name, d.Changes.Grow, nil, false)
	switch {
	case kafkaerr.IsUnknownOutcome(err) && Large(d.Changes.Grow-have.Partitions, have.Replicas):
		done.Verdict = Unconfirmed(want.Name)
		return done, nil
	case err != nil:
		return Outcome{}, err
	}
	have.Partitions = d.Changes.Grow
	done.Have = &have
	return done, nil
}

func (h Hooks) stands(ctx context.Context) error {
	if h.Stands == nil {
		return nil
	}
	return h.Stands(ctx)
}

func (h Hooks) reserve(ctx context.Context, partitions, replicas int32) (release func(), problem string, err error) {
	if h.Reserve == nil {
		return func() {}, "", nil
	}
	return h.Reserve(ctx, partitions, replicas)
}

func (h Hooks) aside(ctx context.Context, call func()) {
	if h.Aside == nil {
		call()
		return
	}
	h.Aside(ctx, call)
}
