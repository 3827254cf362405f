package validation

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"slices"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

var authenticationTypes = []kafka.AuthenticationType{
	kafka.AuthenticationPlain, kafka.AuthenticationScramSHA256, kafka.AuthenticationScramSHA512,
}

func validateExternal(spec *kafka.KafkaSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name, set := range map[string]bool{
		"version": spec.Version != "", "brokers": spec.Brokers != nil,
		"controllers": spec.Controllers != nil, "zookeeper": spec.ZooKeeper != nil,
	} {
		if set {
			errs = append(errs, field.Forbidden(path.Child(name), "not allowed with external: somebody else runs that cluster"))
		}
	}
	path = path.Child("external")
	servers := path.Child("bootstrapServers")
	if len(spec.External.BootstrapServers) == 0 {
		errs = append(errs, field.Required(servers, "name at least one broker as host:port"))
	}
	if many := atMost(len(spec.External.BootstrapServers), MaxBootstrapServers, servers); many != nil {
		return append(errs, many...)
	}
	for i, server := range spec.External.BootstrapServers {
		if len(server) > MaxAddress {
			errs = append(errs, field.TooLong(servers.Index(i), nil, MaxAddress))
		} else if problem := hostPortProblem(server); problem != "" {
			errs = append(errs, field.Invalid(servers.Index(i), server, "must be host:port, such as kafka.example.com:9092: "+problem))
		}
	}
	errs = append(errs, validateClusterID(spec.External.ClusterID, path.Child("clusterID"))...)
	errs = append(errs, validateUnmanagedConfigs(spec.External.UnmanagedTopicConfigs, path.Child("unmanagedTopicConfigs"))...)
	errs = append(errs, validateExternalTLS(spec.External.TLS, path.Child("tls"))...)
	return append(errs, validateExternalAuthentication(spec.External.Authentication, path.Child("authentication"))...)
}

func validateClusterID(id string, path *field.Path) field.ErrorList {
	switch {
	case id == "" || len(id) <= MaxClusterID && clusterID.MatchString(id):
		return nil
	case len(id) > MaxClusterID:
		return field.ErrorList{field.TooLong(path, "", MaxClusterID)}
	}
	return field.ErrorList{field.Invalid(path, id, "must be the id that brokers give their cluster, which has no spaces, such as 5L6g3nShT-eMCtK--X86sw")}
}

func validateUnmanagedConfigs(configs []string, path *field.Path) field.ErrorList {
	errs := atMost(len(configs), MaxUnmanagedConfigs, path)
	if len(errs) > 0 {
		return errs
	}
	seen := map[string]bool{}
	for i, config := range configs {
		switch {
		case len(config) > MaxSettingName:
			errs = append(errs, field.TooLong(path.Index(i), "", MaxSettingName))
		case !unmanagedConfig.MatchString(config):
			errs = append(errs, field.Invalid(path.Index(i), config, `must be the name of a setting, or the beginning of names and ".*", such as example.*`))
		case seen[config]:
			errs = append(errs, field.Duplicate(path.Index(i), config))
		}
		seen[config] = true
	}
	return errs
}

func validateExternalTLS(tls *kafka.ExternalTLS, path *field.Path) field.ErrorList {
	if tls == nil {
		return nil
	}
	var errs field.ErrorList
	if tls.CABundle != "" {
		at := path.Child("caBundle")
		if len(tls.CABundle) > MaxCABundle {
			errs = append(errs, field.TooLong(at, "", MaxCABundle))
		} else if problem := bundleProblem([]byte(tls.CABundle)); problem != "" {
			// A private key may have been put in the bundle's place.
			errs = append(errs, field.Invalid(at, field.OmitValueType{}, problem))
		}
	}
	if ref := tls.CASecretRef; ref != nil {
		at := path.Child("caSecretRef")
		if tls.CABundle != "" {
			errs = append(errs, field.Forbidden(at, "set caBundle or caSecretRef, not both"))
		}
		errs = append(errs, validateSecretName(ref.Name, at.Child("name"))...)
		errs = append(errs, validateSecretKey(ref.Key, at.Child("key"))...)
	}
	if ref := tls.ClientCertificateSecretRef; ref != nil {
		errs = append(errs, validateSecretName(ref.Name, path.Child("clientCertificateSecretRef", "name"))...)
	}
	if tls.ServerName != "" && net.ParseIP(tls.ServerName) == nil {
		for _, problem := range validation.IsDNS1123Subdomain(strings.ToLower(tls.ServerName)) {
			errs = append(errs, field.Invalid(path.Child("serverName"), tls.ServerName, problem))
		}
	}
	return errs
}

// bundleProblem says why a text is no list of certificates in PEM; "" when it is.
func bundleProblem(text []byte) string {
	count := 0
	for rest := text; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Sprintf("must hold certificates in PEM only, and has a %s", block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Sprintf("certificate %d cannot be read: %v", count+1, err)
		}
	}
	if count == 0 {
		return "must be certificates in PEM, which begin with -----BEGIN CERTIFICATE-----"
	}
	return ""
}

func validateExternalAuthentication(authentication *kafka.ExternalAuthentication, path *field.Path) field.ErrorList {
	if authentication == nil {
		return nil
	}
	var errs field.ErrorList
	if authentication.Type == "" {
		errs = append(errs, field.Required(path.Child("type"), "one of "+joined(authenticationTypes)))
	} else if !slices.Contains(authenticationTypes, authentication.Type) {
		errs = append(errs, field.NotSupported(path.Child("type"), authentication.Type, authenticationTypes))
	}
	at := path.Child("secretRef")
	errs = append(errs, validateSecretName(authentication.SecretRef.Name, at.Child("name"))...)
	errs = append(errs, validateSecretKey(authentication.SecretRef.PasswordKey, at.Child("passwordKey"))...)
	key := authentication.SecretRef.UsernameKey
	switch {
	case authentication.Username == "":
		errs = append(errs, validateSecretKey(key, at.Child("usernameKey"))...)
	case key != "":
		errs = append(errs, field.Forbidden(at.Child("usernameKey"), "set username or usernameKey, not both"))
	case len(authentication.Username) > MaxUsername:
		errs = append(errs, field.TooLong(path.Child("username"), nil, MaxUsername))
	case strings.ContainsRune(authentication.Username, 0):
		errs = append(errs, field.Invalid(path.Child("username"), authentication.Username, "cannot contain a NUL character"))
	}
	return errs
}

func joined[T ~string](values []T) string {
	var all []string
	for _, value := range values {
		all = append(all, string(value))
	}
	return strings.Join(all, ", ")
}

func validateSecretName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "name a Secret in the namespace of this Kafka")}
	}
	var errs field.ErrorList
	for _, problem := range apivalidation.NameIsDNSSubdomain(name, false) {
		errs = append(errs, field.Invalid(path, name, problem))
	}
	return errs
}

func validateSecretKey(key string, path *field.Path) field.ErrorList {
	if key == "" {
		return field.ErrorList{field.Required(path, "name an entry of the Secret")}
	}
	var errs field.ErrorList
	for _, problem := range validation.IsConfigMapKey(key) {
		errs = append(errs, field.Invalid(path, key, problem))
	}
	return errs
}

// externalWarnings are what the author of an external Kafka should know although it is accepted.
func externalWarnings(external *kafka.ExternalSpec) []string {
	if external == nil || external.TLS != nil || external.Authentication == nil {
		return nil
	}
	if external.Authentication.Type == kafka.AuthenticationPlain {
		return []string{"spec.external.authentication: PLAIN without tls sends the password in clear text over the network"}
	}
	return nil
}
