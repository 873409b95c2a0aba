cwlVersion: v1.0
class: Workflow
requirements:
  ScatterFeatureRequirement: {}
inputs:
  seconds: string
  text: File
  numbers: int[]
outputs:
  said:
    type: File[]
    outputSource: say/said
steps:
  say:
    run: say.cwl
    scatter: number
    in:
      seconds: seconds
      text: text
      number: numbers
    out: [said]
