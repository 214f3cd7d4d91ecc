// The OpenAPI document: valid by a validator of its own, and true: every route is in it and all that it names is there.

import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test } from 'vitest'
import { createHttpApp } from '../../src/http/app.js'
import { OpenApiJudge } from '../support/openapi.js'
import { unreachableClient } from './unreachable-client.js'

const app = createHttpApp({
  client: unreachableClient(),
  readiness: () => Promise.resolve({ ready: true }),
  onHint: () => {},
})
const PREFIX = '/api/v1'
const served = async (): Promise<unknown> => (await app.request(`${PREFIX}/openapi.json`)).json()

describe('the document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(Object(await served()))
    expect(result).toEqual({ valid: true })
  })

  test('has every route that is mounted, and no other', async () => {
    const { document } = new OpenApiJudge(await served())
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const mounted = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path.startsWith(PREFIX))
      .map(({ method, path }) => `${method} ${path.slice(PREFIX.length).replaceAll(/:(\w+)/g, '{$1}')}`)
    expect(documented.toSorted()).toEqual([...new Set(mounted)].toSorted())
    expect(documented.length).toBeGreaterThan(30)
  })

  test('names each operation once, with its tag, its role and its parameters', async () => {
    const { document } = new OpenApiJudge(await served())
    const all = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
    const ids = all.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { path, method, operation } of all) {
      const { operationId: id, parameters, tags } = operation
      expect(tags, id).toHaveLength(1)
      expect(['viewer', 'operator', 'admin'], id).toContain(operation['x-role'])
      expect(
        parameters.filter((one) => one.in === 'path').map(({ name }) => `{${name}}`),
        id,
      ).toEqual(path.match(/\{\w+\}/g) ?? [])
      const takesKey = parameters.some(({ name }) => name === 'Idempotency-Key')
      expect(takesKey, `${id}: every POST takes an Idempotency-Key`).toBe(method === 'post')
      expect(Object.keys(operation.responses).filter((status) => status < '400').length, id).toBeGreaterThan(
        0,
      )
    }
  })

  test('keeps texts for people out of what is sent: examples match their schemas', async () => {
    const { document } = new OpenApiJudge(await served())
    const text = JSON.stringify(document)
    expect(text).not.toContain('"override"')
    expect(text).not.toContain('~standard')
  })
})

describe('the reference page', () => {
  test('shows every operation and every schema, and loads nothing', async () => {
    const response = await app.request('/docs')
    const page = await response.text()
    const { document } = new OpenApiJudge(await served())
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods))
    for (const { operationId } of operations) expect(page).toContain(`id="${operationId}"`)
    for (const name of Object.keys(document.components.schemas)) expect(page).toContain(`id="schema-${name}"`)
    const links = Array.from(page.matchAll(/href="#([^"]+)"/g), ([, target = '']) => target)
    for (const target of links) expect(page).toContain(`id="${target}"`)
    expect(page).not.toMatch(/<script|src=|https?:\/\/(?!127\.0\.0\.1)/)
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect(page).not.toContain('[object Object]')
    expect(page.length).toBeLessThan(300_000)
  })
})
