// The reference page at /docs: the OpenAPI document as one page of HTML. It needs no script and nothing from elsewhere, so
// that it works behind any firewall and under the strictest policy.

import { createHash } from 'node:crypto'
import type { Handler } from 'hono'
import { html, raw } from 'hono/html'
import { DOCS_STYLE } from './docs-style.js'
import type { OpenApiDocument } from './openapi.js'
import { schemaText, type Html } from './schema-text.js'

type Paths = NonNullable<OpenApiDocument['paths']>
type Described = NonNullable<Paths[string]['get']>
interface Entry {
  readonly method: string
  readonly path: string
  readonly operation: Described
}

const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(DOCS_STYLE).digest('base64')}'`

export function docsPage(document: () => OpenApiDocument): Handler {
  let page: Html | undefined
  return async (c) => {
    c.header('Content-Security-Policy', POLICY)
    return c.html(await (page ??= render(document())))
  }
}

function render(document: OpenApiDocument): Html {
  const entries = entriesOf(document)
  const { tags = [], info, components } = document
  const schemas = Object.entries(components?.schemas ?? {})
  const base = document.servers?.[0]?.url ?? ''
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${info.title}: HTTP API</title>
        <style>
          ${raw(DOCS_STYLE)}
        </style>
      </head>
      <body>
        <nav aria-label="Operations">
          ${tags.map(({ name }) => navigation(name, entries))}
          <h2><a href="#schemas">Schemas</a></h2>
        </nav>
        <main>
          <h1>${info.title}: HTTP API</h1>
          <p>${info.description ?? ''}</p>
          <p>
            All paths begin with <code>${base}</code>. For programs:
            <a href="${base}/openapi.json">openapi.json</a>.
          </p>
          ${tags.map(
            ({ name, description }) => html`
              <h2>${name}</h2>
              <p>${description ?? ''}</p>
              ${entries.filter(({ operation }) => operation.tags?.includes(name)).map((entry) => section(entry, base))}
            `,
          )}
          <h2 id="schemas">Schemas</h2>
          ${schemas.map(
            ([name, schema]) =>
              html`<h3 id="schema-${name}">${name}</h3>
                <pre>${schemaText(schema)}</pre>`,
          )}
        </main>
      </body>
    </html>`
}

function entriesOf({ paths = {} }: OpenApiDocument): Entry[] {
  return Object.entries(paths).flatMap(([path, { get, post, patch, delete: remove }]) =>
    Object.entries({ GET: get, POST: post, PATCH: patch, DELETE: remove }).flatMap(([method, operation]) =>
      operation === undefined ? [] : [{ method, path, operation }],
    ),
  )
}

function navigation(tag: string, entries: readonly Entry[]): Html {
  return html`<h2>${tag}</h2>
    <ul>
      ${entries
        .filter(({ operation }) => operation.tags?.includes(tag))
        .map(({ operation }) => html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>`)}
    </ul>`
}

function section({ method, path, operation }: Entry, base: string): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses = {} } = operation
  const body =
    requestBody !== undefined && 'content' in requestBody
      ? requestBody.content['application/json']
      : undefined
  return html`<section aria-labelledby="${operationId}">
    <h3 id="${operationId}">${summary}</h3>
    <p>
      <code class="route"><b>${method}</b> ${path}</code> <span class="role">${operation['x-role']}</span>
    </p>
    ${description === undefined ? '' : html`<p>${description}</p>`}
    ${
      parameters.length === 0
        ? ''
        : html`<table>
            <caption>
              Parameters
            </caption>
            ${parameters.map((parameter) => ('in' in parameter ? parameterRow(parameter) : ''))}
          </table>`
    }
    ${
      body === undefined
        ? ''
        : html`<h4>Body</h4>
            <pre>${schemaText(body.schema)}</pre>`
    }
    <pre class="example">
${curl({ method, path: base + path, example: body?.example, hasBody: body !== undefined })}</pre>
    <table>
      <caption>
        Answers
      </caption>
      ${Object.entries(responses).map(([status, response]) => answerRow(status, response))}
    </table>
  </section>`
}

function parameterRow({ name, in: place, required, description, schema }: ParameterLike): Html {
  return html`<tr>
    <th scope="row"><code>${name}</code></th>
    <td>${place}${required === true ? ', required' : ''}</td>
    <td>${schemaText(schema)}</td>
    <td>${description ?? ''}</td>
  </tr>`
}

interface ParameterLike {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
  readonly schema?: unknown
}

function answerRow(status: string, response: unknown): Html {
  const { description, content } = Object(response)
  const schema: unknown = Object.values(Object(content)).map((media) => Object(media).schema)[0]
  return html`<tr>
    <th scope="row">${status}</th>
    <td>${description}</td>
    <td>${schema === undefined ? '' : schemaText(schema)}</td>
  </tr>`
}

interface Example {
  readonly method: string
  readonly path: string
  readonly example: unknown
  readonly hasBody: boolean
}

function curl({ method, path, example, hasBody }: Example): string {
  const flags = method === 'GET' ? [] : [`-X ${method}`]
  if (hasBody && example !== undefined) {
    flags.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(example)}'`)
  }
  return ['curl', ...flags, `'http://127.0.0.1:4000${path}'`].join(' ')
}
