// Judges answers by an OpenAPI document: is the status declared for that method and path, are its headers there, does the
// body match the schema, and has it no field that the document does not know. A problem must have a declared code.

import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { z } from 'zod'

const Response = z.looseObject({
  headers: z.record(z.string(), z.unknown()).default({}),
  content: z.record(z.string(), z.looseObject({ schema: z.unknown() })).default({}),
  'x-codes': z.array(z.string()).optional(),
})
const Parameter = z.looseObject({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean().default(false),
  schema: z.looseObject({}),
})
const Operation = z.looseObject({
  operationId: z.string(),
  parameters: z.array(Parameter).default([]),
  requestBody: z
    .looseObject({
      required: z.boolean().default(false),
      content: z.record(z.string(), z.looseObject({ schema: z.looseObject({}) })),
    })
    .optional(),
  responses: z.record(z.string(), Response),
})
export const Document = z.looseObject({
  servers: z.array(z.looseObject({ url: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
})

export type Document = z.output<typeof Document>
export type Operation = z.output<typeof Operation>

export interface Judged {
  readonly method: string
  /** From the root, without its query. */
  readonly path: string
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON, or undefined. */
  readonly body: unknown
}

const STREAM = 'text/event-stream'

export class OpenApiJudge {
  readonly document: Document
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true })
  private readonly base: string

  constructor(document: unknown) {
    this.document = Document.parse(document)
    this.base = this.document.servers[0]?.url ?? ''
    addFormats.default(this.ajv)
    this.ajv.addSchema(Object(closed(document)), 'api')
  }

  /** What is wrong with an answer; nothing is judged that is no path of the document. */
  findings({ method, path, status, headers, body }: Judged): string[] {
    const found = this.find(method, path)
    if (found === undefined) return []
    const { template, operation } = found
    const where = `${method} ${template} ${status}`
    // Refused before any operation was found.
    const response = operation.responses[String(status)]
    if (response === undefined) return [`${where}: the status is not declared: ${JSON.stringify(body)}`]
    const missing = Object.keys(response.headers).filter((name) => !headers.has(name))
    const findings = missing.map((name) => `${where}: has no ${name}`)
    const [type] = (headers.get('content-type') ?? '').split(';')
    const codes = response['x-codes']
    if (type === 'application/problem+json' && codes?.includes(String(Object(body).code)) !== true)
      findings.push(`${where}: the code ${String(Object(body).code)} is not declared`)
    // A stream has no whole body: those who read it judge its events.
    if (type === STREAM && response.content[STREAM] !== undefined) return findings
    if (body === undefined || type === undefined) {
      const isDeclared = Object.keys(response.content).length > 0 && method !== 'HEAD'
      return isDeclared ? [...findings, `${where}: has no body`] : findings
    }
    if (response.content[type] === undefined) return [...findings, `${where}: ${type} is not declared`]
    const steps = [
      'paths',
      template,
      method.toLowerCase(),
      'responses',
      String(status),
      'content',
      type,
      'schema',
    ]
    const validate = this.ajv.getSchema(`api#/${steps.map(pointer).join('/')}`)
    if (validate === undefined) return [...findings, `${where}: has no schema`]
    if (validate(body) === true) return findings
    const errors = (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
    )
    return [...findings, `${where}: ${errors.join('; ')}`]
  }

  find(
    method: string,
    path: string,
  ): { readonly template: string; readonly operation: Operation } | undefined {
    if (!path.startsWith(this.base)) return undefined
    const parts = path.slice(this.base.length).split('/')
    // A fixed part is nearer than a parameter.
    const templates = Object.keys(this.document.paths).toSorted()
    const matches = templates.filter((template) => {
      const own = template.split('/')
      return (
        own.length === parts.length &&
        own.every((part, n) => (part.startsWith('{') ? parts[n] !== '' : part === parts[n]))
      )
    })
    const template = matches
      .filter((one) => this.document.paths[one]?.[method.toLowerCase()] !== undefined)
      .toSorted((a, b) => a.split('{').length - b.split('{').length)[0]
    if (template === undefined) return undefined
    const operation = this.document.paths[template]?.[method.toLowerCase()]
    return operation === undefined ? undefined : { template, operation }
  }
}

function pointer(step: string): string {
  return encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))
}

/** The document with every object closed, so that an undeclared field is found. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed)
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, closed(entry)]))
  const isOpenObject = copy['type'] === 'object' && 'properties' in copy && !('additionalProperties' in copy)
  return isOpenObject ? { ...copy, additionalProperties: false } : copy
}
