{{/* Labels that an object of the release has beside its own. */}}
{{- define "kamaji-capi.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: kamaji
{{- end }}

{{/* Arguments of the provider, as JSON. */}}
{{- define "kamaji-capi.arguments" -}}
{{- $gates := list }}
{{- range $gate, $on := .Values.featureGates }}
{{- $gates = append $gates (printf "%s=%t" $gate $on) }}
{{- end }}
{{- $arguments := list "provider" "--leader-elect" (printf "--feature-gates=%s" (join "," $gates)) }}
{{- with .Values.infrastructureClusters }}
{{- $arguments = append $arguments (printf "--dynamic-infrastructure-clusters=%s" (join "," .)) }}
{{- end }}
{{- concat $arguments .Values.extraArgs | toJson }}
{{- end }}
