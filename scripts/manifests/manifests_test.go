// Package manifests checks the manifests in packaging/ against the types and schemas of those who read them. What the files say
// of the program is checked in tests/blackbox/packaging_images.rs.
package manifests

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

const packaging = "../../packaging"

// objects decodes the documents of a file. An unknown field, or a value of the wrong type, fails the test.
func objects(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(packaging, file))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]any{}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var kind struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var object any
		switch kind.APIVersion + " " + kind.Kind {
		case "apps/v1 Deployment":
			object = new(appsv1.Deployment)
		case "policy/v1 PodDisruptionBudget":
			object = new(policyv1.PodDisruptionBudget)
		case "v1 Service":
			object = new(corev1.Service)
		case "networking.k8s.io/v1 NetworkPolicy":
			object = new(networkingv1.NetworkPolicy)
		default:
			t.Fatalf("%s: unknown kind %q", file, kind.APIVersion+" "+kind.Kind)
		}
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Errorf("%s: %s %s: %v", file, kind.Kind, kind.Metadata.Name, err)
		}
		found[kind.Kind+" "+kind.Metadata.Name] = object
	}
	return found
}

func TestKubernetesTakesTheManifests(t *testing.T) {
	gateway, services := objects(t, "kubernetes/gateway.yaml"), objects(t, "kubernetes/services.yaml")
	deployment := gateway["Deployment fastway"].(*appsv1.Deployment)
	pod := deployment.Spec.Template
	selects := func(what string, selector map[string]string) {
		t.Helper()
		if len(selector) == 0 {
			t.Errorf("%s selects everything", what)
		}
		for key, value := range selector {
			if pod.Labels[key] != value {
				t.Errorf("%s selects %s=%s, and the pods have %v", what, key, value, pod.Labels)
			}
		}
	}
	selects("the deployment", deployment.Spec.Selector.MatchLabels)
	selects("the disruption budget", gateway["PodDisruptionBudget fastway"].(*policyv1.PodDisruptionBudget).Spec.Selector.MatchLabels)
	for _, name := range []string{"client", "server"} {
		selects(name, services["Service fastway-"+name].(*corev1.Service).Spec.Selector)
	}
	selects("the network policy", services["NetworkPolicy fastway"].(*networkingv1.NetworkPolicy).Spec.PodSelector.MatchLabels)
	if ip := services["Service fastway-server"].(*corev1.Service).Spec.ClusterIP; ip != corev1.ClusterIPNone {
		t.Errorf("the service for game servers is not headless: %q", ip)
	}

	container := pod.Spec.Containers[0]
	if container.LivenessProbe == nil || container.ReadinessProbe == nil || container.StartupProbe == nil || container.Lifecycle.PreStop == nil {
		t.Error("a probe or the hook before the stop is missing")
	}
	security := container.SecurityContext
	if !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation || !*pod.Spec.SecurityContext.RunAsNonRoot {
		t.Error("the container may do more than it needs")
	}
	volumes := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			t.Errorf("there is no volume %s", mount.Name)
		}
	}
}

func TestComposeTakesItsFile(t *testing.T) {
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(packaging, "container/compose.yaml")},
		cli.WithEnv([]string{"FASTWAY_SERVER_AUTH_KEY=key"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gateway", "echo-1", "echo-2", "prometheus", "grafana"} {
		if _, err := project.GetService(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"gateway", "echo-1", "echo-2"} {
		service, _ := project.GetService(name)
		if key := service.Environment["FASTWAY_SERVER_AUTH_KEY"]; key == nil || *key != "key" {
			t.Errorf("%s has not the key of its environment", name)
		}
	}
}
