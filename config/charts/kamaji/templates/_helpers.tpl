{{/* Name in labels and selectors. */}}
{{- define "kamaji.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Prefix of names: fullnameOverride, else the release's name, which the chart's name joins unless it is part of it. */}}
{{- define "kamaji.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels of pods, and the Deployment's selector, which no upgrade can change. */}}
{{- define "kamaji.selector" -}}
app.kubernetes.io/name: {{ include "kamaji.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller-manager
{{- end }}

{{/* Labels of an object: call with (list . INSTANCE COMPONENT). */}}
{{- define "kamaji.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "kamaji.name" $root }}
app.kubernetes.io/instance: {{ index . 1 }}
app.kubernetes.io/component: {{ index . 2 }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: kamaji
{{- end }}

{{/* Port at the end of a bind address. */}}
{{- define "kamaji.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}

{{/* "true" if Helm records this release as the owner of a live object: call with (list . OBJECT). */}}
{{- define "kamaji.ofRelease" -}}
{{- $root := index . 0 }}
{{- $annotations := (index . 1).metadata.annotations | default dict }}
{{- and (eq (index $annotations "meta.helm.sh/release-name" | default "") $root.Release.Name) (eq (index $annotations "meta.helm.sh/release-namespace" | default "") $root.Release.Namespace) }}
{{- end }}
