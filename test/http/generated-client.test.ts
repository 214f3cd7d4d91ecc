// The document is enough for generators: one that knows nothing of us makes a client out of it, which compiles under strict
// rules, gives answers the types that we promise, and works against the server.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generate } from 'openapi-typescript-codegen'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const adds = workflow({ name: 'adds', input: z.object({ n: z.number() }) }, async (_ctx, { n }) => n + 1)
const http = useHttp([adds])

const PROGRAM = `
import { ApiError, ClusterService, ExecutionsService, OpenAPI, type Execution, type Failure } from './client/index'

OpenAPI.BASE = process.argv[2] + OpenAPI.BASE
// Ids may have slashes.
OpenAPI.ENCODE_PATH = encodeURIComponent
const started = await ExecutionsService.startExecution({
  requestBody: { workflow: 'adds', input: { n: 1 }, id: 'a/b' },
  idempotencyKey: 'k-1',
})
const created: boolean = started.created
const ended = await ExecutionsService.getResult({ executionId: 'a/b', timeoutMs: 30_000 })
const page = await ExecutionsService.listExecutions({ workflow: 'adds', status: ['completed'], limit: 10 })
const [first]: Execution[] = page.executions
const status: 'completed' | 'failed' | undefined = first?.status === 'completed' ? first.status : undefined
const failure: Failure | undefined = 'failure' in ended ? ended.failure : undefined
const { nodes } = await ClusterService.listNodes()
const capacity: number = nodes[0]?.capacity ?? 0
// @ts-expect-error: a start names its workflow
const refused = await ExecutionsService.startExecution({ requestBody: {} }).catch((error: unknown) => error)
const code = refused instanceof ApiError ? refused.body.code : 'none'
console.log(JSON.stringify({ created, ended, status, failure, isRunning: capacity > 0, code }))
`

let folder: string
beforeAll(async () => {
  await mkdir(join(root, '.cerebelum'), { recursive: true })
  folder = await mkdtemp(join(root, '.cerebelum', 'generated-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('a generated client compiles and works', { timeout: 90_000 }, async () => {
  const { body } = await http.request('GET', '/openapi.json')
  await generate({
    input: Object(body),
    output: join(folder, 'client'),
    httpClient: 'fetch',
    useOptions: true,
    useUnionTypes: true,
  })
  await writeFile(join(folder, 'program.ts'), PROGRAM)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'es2023',
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: ['node'],
    skipLibCheck: true,
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }))
  await run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder])
  const { stdout } = await run(process.execPath, ['--import', 'tsx', join(folder, 'program.ts'), http.url], {
    cwd: root,
  })
  expect(JSON.parse(stdout)).toEqual({
    created: true,
    ended: { executionId: 'a/b', status: 'completed', result: 2 },
    status: 'completed',
    isRunning: true,
    code: 'INVALID_ARGUMENT',
  })
})
