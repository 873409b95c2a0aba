cwlVersion: v1.0
class: CommandLineTool
hints:
  DockerRequirement:
    dockerPull: alpine
baseCommand: [sh, -c]
arguments:
  - valueFrom: 'sleep "$0"; cat "$1"; echo "number $2"; echo "also $2" > beside.txt'
    position: 0
inputs:
  seconds:
    type: string
    inputBinding: {position: 1}
  text:
    type: File
    inputBinding: {position: 2}
  number:
    type: int
    inputBinding: {position: 3}
stdout: said.txt
outputs:
  said:
    type: stdout
