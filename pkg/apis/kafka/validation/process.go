package validation

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
)

var (
	// smallestHeap is what a Kafka process needs to start at all.
	smallestHeap = resource.MustParse("64Mi")
	// besideHeap is what it needs beside its heap: classes, code, threads and buffers. A broker of 4.3.1 with the smallest heap had 140 MiB
	// in memory before anybody had asked it anything.
	besideHeap = resource.MustParse("96Mi")
	// smallestMemory is enough for a heap of half of it, which is what there is when nobody says otherwise.
	smallestMemory = resource.MustParse("192Mi")
)

// validateProcess judges the resources and the Java virtual machine of a node, and whether these go together.
func validateProcess(r *kafka.ResourceRequirements, j *kafka.JVMSpec, path *field.Path) field.ErrorList {
	errs := validateResources(r, path.Child("resources"))
	errs = append(errs, validateJVM(j, path.Child("jvm"))...)
	limit, limited := r.Limits[corev1.ResourceMemory]
	switch {
	case !limited:
	case j == nil || j.Heap == nil:
		if limit.Cmp(smallestMemory) < 0 {
			errs = append(errs, field.Invalid(path.Child("resources", "limits").Key("memory"), limit.String(), fmt.Sprintf(
				"must be at least %s: half of it is the heap, unless jvm.heap says otherwise, and the process needs %s beside that", &smallestMemory, &besideHeap)))
		}
	default:
		need := j.Heap.DeepCopy()
		need.Add(besideHeap)
		if need.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(path.Child("jvm", "heap"), j.Heap.String(), fmt.Sprintf(
				"must leave %s of resources.limits.memory, which is %s, to the rest of the process", &besideHeap, &limit)))
		}
	}
	return errs
}

var (
	// virtualMachine are the options that say how the Java virtual machine works. Others say what it runs, or have it print something and end.
	virtualMachine = regexp.MustCompile(`^(-XX:.|-X.|-D.|-javaagent:.|-agentlib:.|-agentpath:.|--add-(opens|exports|reads|modules)=.|--(enable|illegal)-native-access=.|--(illegal-access|sun-misc-unsafe-memory-access|patch-module|finalization)=.|--enable-preview$|-verbose(:.|$)|-(ea|da|enableassertions|disableassertions)(:.|$)|-(esa|dsa|enablesystemassertions|disablesystemassertions|server)$)`)
	// ending are those among them with which it prints something and ends, or reads further options from a file.
	ending = regexp.MustCompile(`^(-Xinternalversion|-Xlog:help|-Xshare:dump|-XX:\+PrintFlagsInitial|-XX:Flags=.*|-XX:VMOptionsFile=.*)$`)
	// heapSize are those that jvm.heap is instead of.
	heapSize = regexp.MustCompile(`^(-Xmx|-Xms|-XX:(Max|Min|Initial)HeapSize=)`)
)

func validateJVM(j *kafka.JVMSpec, path *field.Path) field.ErrorList {
	if j == nil {
		return nil
	}
	var errs field.ErrorList
	if j.Heap != nil && j.Heap.Cmp(smallestHeap) < 0 {
		errs = append(errs, field.Invalid(path.Child("heap"), j.Heap.String(), "must be at least "+smallestHeap.String()))
	}
	if many := atMost(len(j.Options), MaxJVMOptions, path.Child("options")); many != nil {
		return append(errs, many...)
	}
	for i, option := range j.Options {
		at := path.Child("options").Index(i)
		switch {
		case len(option) > MaxJVMOption:
			errs = append(errs, field.TooLong(at, nil, MaxJVMOption))
		case !jvmOption.MatchString(option):
			errs = append(errs, field.Invalid(at, option, "must be one option of the java command without white space or shell characters, such as -XX:+UseZGC"))
		case heapSize.MatchString(option):
			errs = append(errs, field.Forbidden(at, "set the heap with jvm.heap"))
		case !virtualMachine.MatchString(option) || ending.MatchString(option):
			errs = append(errs, field.Invalid(at, option, "must say how the Java virtual machine works, and not what it runs, nor have it print something and end: "+
				"-XX:…, -X…, -D…, -javaagent:…, -agentlib:…, -agentpath:…, --add-opens=…, --add-exports=…, --add-reads=…, --add-modules=…, "+
				"--enable-native-access=…, --enable-preview, -verbose:…, -ea, -da, -esa, -dsa or -server"))
		}
	}
	return errs
}

// namedSettings is how many settings a warning names.
const namedSettings = 10

// KafkaWarnings are what the author of a Kafka should know although it is accepted. Before is what is stored, nil for a new one.
func KafkaWarnings(k, before *kafka.Kafka) []string {
	warnings := externalWarnings(k.Spec.External)
	if k.Spec.Brokers == nil {
		return warnings
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(k.Spec.Brokers.Config)) {
		if kafkaconfig.HasBrokerSetting(k.Spec.Version, name) {
			continue
		}
		// Who changes something else knows by now.
		if before != nil && before.Spec.Brokers != nil && before.Spec.Version == k.Spec.Version {
			if _, had := before.Spec.Brokers.Config[name]; had {
				continue
			}
		}
		unknown = append(unknown, name)
	}
	if more := len(unknown) - namedSettings; more > 0 {
		unknown = append(unknown[:namedSettings], fmt.Sprintf("and %d more", more))
	}
	if len(unknown) > 0 {
		warnings = append(warnings, fmt.Sprintf("spec.brokers.config: Kafka %s has no settings of these names, which only plugins would read: %s",
			k.Spec.Version, strings.Join(unknown, ", ")))
	}
	return warnings
}
