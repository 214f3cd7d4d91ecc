// A JSON Schema as people read it: close to a TypeScript type, with links to what has a name. For the reference page.

import { html } from 'hono/html'

export type Html = ReturnType<typeof html>

const DEPTH_MAX = 8

export function schemaText(schema: unknown, indent = ''): Html {
  const { $ref, type, anyOf, oneOf, enum: values, const: value, ...rest } = Object(schema)
  if (typeof $ref === 'string') {
    const name = $ref.slice($ref.lastIndexOf('/') + 1)
    return html`<a href="#schema-${name}">${name}</a>`
  }
  if (indent.length / 2 > DEPTH_MAX) return html`…`
  const choices: unknown = anyOf ?? oneOf
  if (Array.isArray(choices))
    return joined(
      choices.map((choice) => schemaText(choice, indent)),
      ' | ',
    )
  if (Array.isArray(values))
    return joined(
      values.map((one) => html`${JSON.stringify(one)}`),
      ' | ',
    )
  if (value !== undefined) return html`${JSON.stringify(value)}`
  if (Array.isArray(type)) return html`${type.join(' | ')}`
  if (type === 'array') return html`${schemaText(rest.items, indent)}[]`
  if (type === 'object') return objectText(rest, indent)
  return html`${typeof type === 'string' ? (rest.format ?? type) : 'any JSON'}`
}

function objectText(schema: { readonly [key: string]: unknown }, indent: string): Html {
  const properties = Object.entries(Object(schema['properties']))
  const { additionalProperties, required } = schema
  if (properties.length === 0) {
    return typeof additionalProperties === 'object'
      ? html`{ [name]: ${schemaText(additionalProperties, indent)} }`
      : html`{}`
  }
  const inner = `${indent}  `
  const isRequired = (name: string): boolean => Array.isArray(required) && required.includes(name)
  const lines = properties.map(([name, property]) => {
    const { description } = Object(property)
    const about = typeof description === 'string' ? html` <i>// ${description}</i>` : ''
    return html`${inner}${name}${isRequired(name) ? '' : '?'}: ${schemaText(property, inner)}${about} `
  })
  return html`{ ${lines}${indent}}`
}

function joined(parts: readonly Html[], between: string): Html {
  return html`${parts.map((part, index) => (index === 0 ? part : html`${between}${part}`))}`
}
