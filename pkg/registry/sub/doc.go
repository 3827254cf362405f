// Package sub is the subresources of this API by their kinds: a view is read, an action is created, a declarative object is read and
// updated, and a transition is an update of a part of its parent. What they are of makes no difference to the order of a request:
//
//  1. the deadline, for all that others are asked;
//  2. the target, with the name, uid and resourceVersion that the request is for;
//  3. the validation of the body;
//  4. admission;
//  5. what the brokers, or whoever keeps the target, would say to it;
//  6. in a dry run, what would come of it;
//  7. otherwise the work;
//  8. the record of it, which is the answer.
//
// A declarative object whose target somebody changes between the second step and the seventh has its request start again: what it is for is
// what is there when it is done.
//
// So nobody is asked for what is not valid or not admitted, nothing is done in a dry run, and nothing is answered that was not done.
// Streams are none of these: they implement rest.Connecter themselves.
package sub
