{{/* "true" if the values ask for the bundled etcd; the alias etcd.deploy wins, since only a user sets it. */}}
{{- define "kamaji.etcd.asked" -}}
{{- if hasKey .Values.etcd "deploy" }}{{ .Values.etcd.deploy }}{{ else }}{{ index .Values "kamaji-etcd" "deploy" }}{{ end }}
{{- end }}

{{/* "true" if this chart runs the bundled etcd: it is asked for, and upstream's chart has not made one in this release. */}}
{{- define "kamaji.etcd.deploy" -}}
{{- and (eq (include "kamaji.etcd.asked" .) "true") (ne (include "kamaji.etcd.kept" .) "true") }}
{{- end }}

{{/* "true" if the bundled etcd is asked for and is that of upstream's chart in this same release. */}}
{{- define "kamaji.etcd.kept" -}}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "kamaji.etcd.fullname" .) }}
{{- if and $live (eq (include "kamaji.etcd.asked" .) "true") }}
{{- $annotations := $live.metadata.annotations | default dict }}
{{- and (eq (include "kamaji.ofRelease" (list . $live)) "true") (not (hasKey $annotations "kamaji.clastix.io/bundled-etcd")) }}
{{- end }}
{{- end }}

{{/* Name of the StatefulSet, and prefix of all others. */}}
{{- define "kamaji.etcd.fullname" -}}
{{- $etcd := index .Values "kamaji-etcd" }}
{{- if $etcd.fullnameOverride }}
{{- $etcd.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := $etcd.nameOverride | default "kamaji-etcd" }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels of etcd's pods, and the selectors, which no upgrade can change. */}}
{{- define "kamaji.etcd.selector" -}}
app.kubernetes.io/name: {{ index .Values "kamaji-etcd" "nameOverride" | default "kamaji-etcd" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of an object of etcd. */}}
{{- define "kamaji.etcd.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "kamaji.etcd.selector" . }}
app.kubernetes.io/version: {{ include "kamaji.etcd.version" . | trimPrefix "v" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: kamaji
{{- end }}

{{/* Tag of etcd's image: the version that the tests of this chart run. */}}
{{- define "kamaji.etcd.version" -}}
{{- index .Values "kamaji-etcd" "image" "tag" | default "v3.7.3" }}
{{- end }}

{{/* Image of the operator, which has the commands of etcd's Jobs and init container. */}}
{{- define "kamaji.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{/* Flags of `kamaji etcd` that name the store. */}}
{{- define "kamaji.etcd.flags" -}}
{{- $etcd := index .Values "kamaji-etcd" -}}
- --name={{ include "kamaji.etcd.fullname" . }}
- --namespace={{ .Release.Namespace }}
- --cluster-domain={{ $etcd.clusterDomain }}
- --client-port={{ $etcd.clientPort }}
- --peer-port={{ $etcd.peerApiPort }}
{{- end }}

{{/* Security of pods and containers that passes the restricted profile, under the user's own settings. */}}
{{- define "kamaji.etcd.podSecurity" -}}
{{- toYaml (merge (deepCopy (index .Values "kamaji-etcd" "podSecurityContext")) (dict
  "runAsNonRoot" true
  "runAsUser" 65532
  "runAsGroup" 65532
  "fsGroup" 65532
  "fsGroupChangePolicy" "OnRootMismatch"
  "seccompProfile" (dict "type" "RuntimeDefault"))) }}
{{- end }}
{{- define "kamaji.etcd.security" -}}
{{- toYaml (merge (deepCopy (index .Values "kamaji-etcd" "securityContext")) (dict
  "allowPrivilegeEscalation" false
  "readOnlyRootFilesystem" true
  "capabilities" (dict "drop" (list "ALL")))) }}
{{- end }}

{{/* Folder that snapshots of the store are saved to. */}}
{{- define "kamaji.etcd.backup.location" -}}
{{- $backup := index .Values "kamaji-etcd" "backup" }}
{{- if $backup.persistentVolumeClaim }}/backup/
{{- else if $backup.location }}{{ $backup.location | trimSuffix "/" }}/
{{- else }}{{ printf "s3://%s" $backup.s3.bucket | trimSuffix "/" }}/
{{- end }}
{{- end }}

{{/* Variables by which pods reach the object store; secrets come from Secrets. */}}
{{- define "kamaji.etcd.backup.env" -}}
{{- $backup := index .Values "kamaji-etcd" "backup" }}
{{- $env := list }}
{{- with $backup.s3.url }}
{{- $env = append $env (dict "name" "AWS_ENDPOINT" "value" .) }}
{{- if hasPrefix "http://" . }}
{{- $env = append $env (dict "name" "AWS_ALLOW_HTTP" "value" "true") }}
{{- end }}
{{- end }}
{{- if or $backup.s3.bucket $backup.s3.url }}
{{- $env = append $env (dict "name" "AWS_REGION" "value" $backup.s3.region) }}
{{- end }}
{{- with $backup.s3.accessKey.valueFrom }}
{{- $env = append $env (dict "name" "AWS_ACCESS_KEY_ID" "valueFrom" .) }}
{{- end }}
{{- with $backup.s3.secretKey.valueFrom }}
{{- $env = append $env (dict "name" "AWS_SECRET_ACCESS_KEY" "valueFrom" .) }}
{{- end }}
{{- with concat $env $backup.env }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Pod of a Job: call with (dict "root" . "account" NAME "args" LIST "credentials" BOOL "api" BOOL "backup" BOOL
     "component" NAME). */}}
{{- define "kamaji.etcd.job" -}}
{{- $root := .root }}
{{- $etcd := index $root.Values "kamaji-etcd" -}}
metadata:
  labels:
    app.kubernetes.io/name: {{ include "kamaji.etcd.fullname" $root }}-jobs
    app.kubernetes.io/instance: {{ $root.Release.Name }}
    {{- with .component }}
    app.kubernetes.io/component: {{ . }}
    {{- end }}
spec:
  serviceAccountName: {{ .account }}
  {{- if not .api }}
  automountServiceAccountToken: false
  {{- end }}
  # A pod that failed stays, with the reason in its log.
  restartPolicy: Never
  securityContext:
    {{- include "kamaji.etcd.podSecurity" $root | nindent 4 }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $etcd.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $etcd.jobs.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $etcd.jobs.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $etcd.jobs.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: etcd
      image: {{ include "kamaji.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        - etcd
        {{- include "kamaji.etcd.flags" $root | nindent 8 }}
        {{- range .args }}
        - {{ . | quote }}
        {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "kamaji.etcd.security" $root | nindent 8 }}
      {{- if .backup }}
      {{- with include "kamaji.etcd.backup.env" $root }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml $etcd.backup.resources | nindent 8 }}
      {{- end }}
      {{- if .credentials }}
      volumeMounts:
        - {name: root, mountPath: /etc/etcd/root, readOnly: true}
        {{- if .backup }}
        - {{ ternary "{name: backup, mountPath: /backup}" "{name: tmp, mountPath: /tmp}" (ne $etcd.backup.persistentVolumeClaim "") }}
        {{- end }}
      {{- end }}
  {{- if .credentials }}
  volumes:
    - name: root
      secret:
        secretName: {{ include "kamaji.etcd.fullname" $root }}-root-client-certs
        defaultMode: 0440
    {{- if .backup }}
    {{- if $etcd.backup.persistentVolumeClaim }}
    - name: backup
      persistentVolumeClaim: {claimName: {{ $etcd.backup.persistentVolumeClaim }}}
    {{- else }}
    # The snapshot as it is uploaded: encrypted, unless it is asked for plain.
    - name: tmp
      emptyDir: {}
    {{- end }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* The DataStore, which `kamaji etcd form` applies: at an installation the operator's webhooks do not answer yet when Helm
     makes objects, and Helm does not change a custom resource that it takes over. The annotations say whose it is. */}}
{{- define "kamaji.etcd.datastore" -}}
{{- $etcd := index .Values "kamaji-etcd" }}
{{- $name := include "kamaji.etcd.fullname" . -}}
apiVersion: kamaji.clastix.io/v1alpha1
kind: DataStore
metadata:
  name: {{ $etcd.datastore.name | default $name }}
  labels:
    {{- include "kamaji.etcd.labels" . | nindent 4 }}
  annotations:
    meta.helm.sh/release-name: {{ .Release.Name }}
    meta.helm.sh/release-namespace: {{ .Release.Namespace }}
    helm.sh/resource-policy: keep
    {{- with omit $etcd.datastore.annotations "helm.sh/resource-policy" }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  driver: etcd
  endpoints:
    {{- if $etcd.datastore.headless }}
    {{- range until (int $etcd.replicas) }}
    - {{ printf "%s-%d.%s.%s.svc.%s:%d" $name . $name $.Release.Namespace $etcd.clusterDomain (int $etcd.clientPort) }}
    {{- end }}
    {{- else }}
    - {{ printf "%s-client.%s.svc.%s:%d" $name .Release.Namespace $etcd.clusterDomain (int $etcd.clientPort) }}
    {{- end }}
  tlsConfig:
    certificateAuthority:
      certificate:
        secretReference: {name: {{ $name }}-certs, namespace: {{ .Release.Namespace }}, keyPath: ca.crt}
      privateKey:
        secretReference: {name: {{ $name }}-certs, namespace: {{ .Release.Namespace }}, keyPath: ca.key}
    clientCertificate:
      certificate:
        secretReference: {name: {{ $name }}-root-client-certs, namespace: {{ .Release.Namespace }}, keyPath: tls.crt}
      privateKey:
        secretReference: {name: {{ $name }}-root-client-certs, namespace: {{ .Release.Namespace }}, keyPath: tls.key}
{{- end }}

{{/* Rights to renew the Secrets and to know the store. */}}
{{- define "kamaji.etcd.rules" -}}
{{- $name := include "kamaji.etcd.fullname" . -}}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ $name }}-certs, {{ $name }}-root-client-certs]
  verbs: [get, update]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ $name }}-cluster]
  verbs: [get, update]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  resourceNames: [{{ range $i := until 5 }}{{ if $i }}, {{ end }}data-{{ $name }}-{{ $i }}{{ end }}]
  verbs: [get]
- apiGroups: [apps]
  resources: [statefulsets]
  resourceNames: [{{ $name }}]
  verbs: [get]
{{- end }}
