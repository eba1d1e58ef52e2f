package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/pipeline/config"
)

// object is what we use of Kubernetes' objects, of KEDA's ScaledObject and of
// kustomizations.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   meta   `yaml:"metadata"`
	Spec       struct {
		ServiceName    string   `yaml:"serviceName"`
		Replicas       int      `yaml:"replicas"`
		Selector       any      `yaml:"selector"`
		Template       template `yaml:"template"`
		MaxUnavailable int      `yaml:"maxUnavailable"`
		ClusterIP      string   `yaml:"clusterIP"`
		Ports          []struct {
			Name   string
			Target string `yaml:"targetPort"`
			Port   int
		} `yaml:"ports"`
		PodSelector          selector `yaml:"podSelector"`
		PolicyTypes          []string `yaml:"policyTypes"`
		Ingress              []peers  `yaml:"ingress"`
		Egress               []peers  `yaml:"egress"`
		VolumeClaimTemplates []struct {
			Metadata meta
			Spec     struct {
				AccessModes []string `yaml:"accessModes"`
				Resources   resources
			}
		} `yaml:"volumeClaimTemplates"`
		ScaleTargetRef struct {
			APIVersion string `yaml:"apiVersion"`
			Kind, Name string
		} `yaml:"scaleTargetRef"`
		MinReplicaCount int `yaml:"minReplicaCount"`
		MaxReplicaCount int `yaml:"maxReplicaCount"`
		PollingInterval int `yaml:"pollingInterval"`
		CooldownPeriod  int `yaml:"cooldownPeriod"`
		Triggers        []struct {
			Type     string
			Metadata map[string]string
		} `yaml:"triggers"`
		JobLabel  string     `yaml:"jobLabel"`
		Endpoints []endpoint `yaml:"endpoints"`
	} `yaml:"spec"`

	Namespace          string              `yaml:"namespace"`
	Resources          []string            `yaml:"resources"`
	Images             []map[string]string `yaml:"images"`
	ConfigMapGenerator []struct {
		Name  string
		Files []string
	} `yaml:"configMapGenerator"`
	GeneratorOptions struct {
		DisableNameSuffixHash bool `yaml:"disableNameSuffixHash"`
	} `yaml:"generatorOptions"`
}

type meta struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

// endpoint is one of a ServiceMonitor.
type endpoint struct {
	Port, Scheme  string
	Authorization struct {
		Type        string
		Credentials struct{ Name, Key string }
	}
	TLSConfig struct {
		CA struct {
			Secret struct{ Name, Key string }
		}
		ServerName string `yaml:"serverName"`
	} `yaml:"tlsConfig"`
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type peers struct {
	From, To []struct {
		NamespaceSelector selector `yaml:"namespaceSelector"`
		PodSelector       selector `yaml:"podSelector"`
	}
	Ports []struct {
		Protocol string
		Port     int
	}
}

type resources struct{ Requests, Limits map[string]string }

type probe struct {
	HTTPGet struct {
		Path, Port, Scheme string
	} `yaml:"httpGet"`
	PeriodSeconds    int `yaml:"periodSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
}

type template struct {
	Metadata meta
	Spec     struct {
		AutomountServiceAccountToken  bool `yaml:"automountServiceAccountToken"`
		EnableServiceLinks            bool `yaml:"enableServiceLinks"`
		TerminationGracePeriodSeconds int  `yaml:"terminationGracePeriodSeconds"`
		SecurityContext               struct {
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			RunAsUser      int                   `yaml:"runAsUser"`
			RunAsGroup     int                   `yaml:"runAsGroup"`
			FSGroup        int                   `yaml:"fsGroup"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		Containers []struct {
			Name, Image string
			Args        []string
			Env         []struct {
				Name, Value string
				ValueFrom   struct {
					SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
				} `yaml:"valueFrom"`
			}
			Ports []struct {
				Name          string
				ContainerPort int `yaml:"containerPort"`
			}
			StartupProbe    probe `yaml:"startupProbe"`
			ReadinessProbe  probe `yaml:"readinessProbe"`
			LivenessProbe   probe `yaml:"livenessProbe"`
			Resources       resources
			SecurityContext struct {
				AllowPrivilegeEscalation bool `yaml:"allowPrivilegeEscalation"`
				ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
				Capabilities             struct{ Drop []string }
			} `yaml:"securityContext"`
			VolumeMounts []struct {
				Name      string
				MountPath string `yaml:"mountPath"`
				ReadOnly  bool   `yaml:"readOnly"`
			} `yaml:"volumeMounts"`
		}
		Volumes []struct {
			Name      string
			ConfigMap struct {
				Name  string
				Items []struct{ Key, Path string }
			} `yaml:"configMap"`
			Secret struct {
				Name string `yaml:"secretName"`
				Mode int    `yaml:"defaultMode"`
			}
		}
	}
}

const app = "app.kubernetes.io/name"

// TestKubernetes checks the manifests' fields, and that they fit one another,
// the image, the rule pack and the pipeline's config.
func TestKubernetes(t *testing.T) {
	read := func(name string) object { return one[object](t, "kubernetes/"+name) }
	k := read("kustomization.yaml")
	versions := map[string]string{
		"Namespace": "v1", "Service": "v1", "StatefulSet": "apps/v1", "PodDisruptionBudget": "policy/v1",
		"NetworkPolicy": "networking.k8s.io/v1", "ScaledObject": "keda.sh/v1alpha1", "ServiceMonitor": "monitoring.coreos.com/v1", "Kustomization": "kustomize.config.k8s.io/v1beta1",
	}
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		o := read(name)
		if o.APIVersion == "" || versions[o.Kind] != o.APIVersion {
			t.Errorf("%s: %s %s", f, o.APIVersion, o.Kind)
		}
		if optional := name == "scaledobject.yaml" || name == "servicemonitor.yaml" || name == "kustomization.yaml"; slices.Contains(k.Resources, name) == optional {
			t.Errorf("%s: is it among the resources %v?", name, k.Resources)
		}
	}

	set := read("statefulset.yaml")
	pod := set.Spec.Template.Spec
	c := pod.Containers[0]
	if k.Images[0]["name"] != c.Image || k.Images[0]["newTag"] == "" {
		t.Errorf("image %s, and the kustomization has %v", c.Image, k.Images)
	}
	sc := pod.SecurityContext
	if !sc.RunAsNonRoot || sc.RunAsUser != 10001 || sc.FSGroup != 10001 || sc.SeccompProfile.Type != "RuntimeDefault" || c.SecurityContext.AllowPrivilegeEscalation ||
		!c.SecurityContext.ReadOnlyRootFilesystem || !slices.Contains(c.SecurityContext.Capabilities.Drop, "ALL") || pod.AutomountServiceAccountToken {
		t.Errorf("the pod has more rights than the profile restricted: %+v %+v", sc, c.SecurityContext)
	}
	if c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.StartupProbe.HTTPGet.Path != "/readyz" ||
		c.LivenessProbe.HTTPGet.Port != c.Ports[0].Name || c.Resources.Limits["memory"] == "" {
		t.Errorf("probes %+v %+v, resources %+v", c.LivenessProbe, c.ReadinessProbe, c.Resources)
	}
	if set.Spec.Replicas < 2 || set.Spec.ServiceName != read("service.yaml").Metadata.Name {
		t.Errorf("%d replicas, service %s", set.Spec.Replicas, set.Spec.ServiceName)
	}
	for _, l := range []map[string]string{set.Spec.Template.Metadata.Labels, read("networkpolicy.yaml").Spec.PodSelector.MatchLabels} {
		if l[app] != "sluice" {
			t.Errorf("labels %v", l)
		}
	}

	env := map[string]string{}
	for _, e := range c.Env {
		if env[e.Name] = e.Value; e.ValueFrom.SecretKeyRef.Name != "" {
			env[e.Name] = "http://sluice:secret@clickhouse.clickhouse.svc:8123/sluice"
		}
		if ref := e.ValueFrom.SecretKeyRef; ref.Name == "sluice-admin" {
			env[e.Name] = "a token from the secret, " + ref.Key
		}
	}
	spec, _ := build(t, "rules/kafka.yaml", env)
	if time := int(spec.Engine.DrainTimeout.Seconds()); pod.TerminationGracePeriodSeconds <= time {
		t.Errorf("%d s to stop, and draining takes %d s", pod.TerminationGracePeriodSeconds, time)
	}
	if port := c.Ports[0].ContainerPort; port != 9187 || !strings.HasSuffix(spec.Admin.Listen, ":9187") || read("networkpolicy.yaml").Spec.Ingress[0].Ports[0].Port != port {
		t.Errorf("ports %v, admin %s", c.Ports, spec.Admin.Listen)
	}
	checkAdmin(t, &set, read("servicemonitor.yaml"), read("service.yaml"), spec)
	if !strings.HasPrefix(spec.Checkpoint.Path, c.VolumeMounts[1].MountPath+"/") || c.VolumeMounts[1].Name != set.Spec.VolumeClaimTemplates[0].Metadata.Name {
		t.Errorf("the checkpoint %s is not on the claim's mount %+v", spec.Checkpoint.Path, c.VolumeMounts[1])
	}
	scaled := read("scaledobject.yaml")
	if trigger := scaled.Spec.Triggers[0].Metadata; scaled.Spec.MaxReplicaCount < set.Spec.Replicas || trigger["consumerGroup"] != "sluice-"+spec.Pipeline ||
		trigger["topic"] != env["KAFKA_TOPIC"] || trigger["bootstrapServers"] != env["KAFKA_BROKER"] || scaled.Spec.ScaleTargetRef.Name != set.Metadata.Name {
		t.Errorf("the ScaledObject does not fit the pipeline: %+v", scaled.Spec)
	}
}

// checkAdmin holds the way to the admin port, for probes and Prometheus, to how
// the pipeline serves it.
func checkAdmin(t *testing.T, set *object, monitor, service object, spec *config.Spec) {
	t.Helper()
	pod := set.Spec.Template.Spec
	c := pod.Containers[0]
	a := spec.Admin
	if strings.HasPrefix(a.Listen, "127.") || a.Token.Reveal() != "a token from the secret, token" || a.MetricsToken.Reveal() != "a token from the secret, metrics_token" {
		t.Errorf("admin listens on %s, or its tokens are not those of the secret", a.Listen)
	}
	mount, vol := c.VolumeMounts[2], pod.Volumes[1]
	if a.TLS.Cert != mount.MountPath+"/tls.crt" || a.TLS.Key != mount.MountPath+"/tls.key" || !mount.ReadOnly || mount.Name != vol.Name || vol.Secret.Name == "" || vol.Secret.Mode&0o007 != 0 {
		t.Errorf("certificate %+v, mount %+v of %+v", a.TLS, mount, vol)
	}
	for _, p := range []probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if p.HTTPGet.Scheme != "HTTPS" {
			t.Errorf("a probe by %q: the port has TLS", p.HTTPGet.Scheme)
		}
	}
	e := monitor.Spec.Endpoints[0]
	if e.Port != service.Spec.Ports[0].Name || e.Scheme != "https" || e.Authorization.Credentials.Name != "sluice-admin" || e.Authorization.Credentials.Key != "metrics_token" ||
		e.TLSConfig.CA.Secret.Name != vol.Secret.Name || e.TLSConfig.ServerName != service.Metadata.Name+".sluice.svc" || service.Metadata.Labels[monitor.Spec.JobLabel] != "sluice" {
		t.Errorf("the ServiceMonitor %+v does not fit the service and the secrets", monitor.Spec)
	}
}

// TestConfigMap holds the generated ConfigMap and its mount to the rule pack:
// each file that a pipeline reads is in it, at its path.
func TestConfigMap(t *testing.T) {
	gen := one[object](t, "rules/kustomization.yaml")
	cm := gen.ConfigMapGenerator[0]
	vol := one[object](t, "kubernetes/statefulset.yaml").Spec.Template.Spec.Volumes[0].ConfigMap
	if !gen.GeneratorOptions.DisableNameSuffixHash || cm.Name != vol.Name {
		t.Errorf("ConfigMap %s, mounted %s; a hash in its name would start a new pod instead of a reload", cm.Name, vol.Name)
	}
	want := []string{"kafka.yaml", "pack.yaml"}
	for _, pattern := range []string{"rules/rules/*", "rules/lists/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			want = append(want, strings.TrimPrefix(f, "rules/"))
		}
	}
	var mounted []string
	size := int64(0)
	for _, item := range vol.Items {
		if item.Key != filepath.Base(item.Path) {
			t.Errorf("key %s at %s", item.Key, item.Path)
		}
		mounted = append(mounted, item.Path)
		if info, err := os.Stat(filepath.Join("rules", item.Path)); err == nil {
			size += info.Size()
		}
	}
	slices.Sort(want)
	slices.Sort(mounted)
	made := slices.Sorted(slices.Values(cm.Files))
	if !slices.Equal(mounted, want) || !slices.Equal(made, want) {
		t.Errorf("the pack has\n%v, the ConfigMap\n%v, the mount\n%v", want, made, mounted)
	}
	if size > 1<<20 {
		t.Errorf("%d bytes: a ConfigMap holds 1 MiB", size)
	}
}
