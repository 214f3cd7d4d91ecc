// The guide of the HTTP API tells the truth: its commands run as they stand, in their order, and its program compiles and
// runs.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const guide = readFileSync(join(root, 'src', 'http', 'README.md'), 'utf8')
const run = promisify(execFile)

const Order = z.object({ item: z.string(), cents: z.number() })
const fulfil = workflow({ name: 'fulfil', input: Order }, async (ctx, order) => {
  if (order.cents > 1_000) await ctx.signal('approved', z.boolean())
  return { label: `label for ${order.item}` }
})
/** What the program of the guide imports the type of. */
const WORKFLOWS = `
import { workflow } from 'cerebelum'
import { z } from 'zod'
export const fulfil = workflow(
  { name: 'fulfil', input: z.object({ item: z.string(), cents: z.number() }) },
  async (_ctx, order) => ({ label: order.item }),
)
`

const http = useHttp([fulfil])
const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(guide)?.[1] ?? ''

let folder: string
beforeAll(async () => {
  await mkdir(join(root, '.cerebelum'), { recursive: true })
  folder = await mkdtemp(join(root, '.cerebelum', 'guide-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the commands', { timeout: 60_000 }, async () => {
  // An answer of 400 or more ends the script.
  await writeFile(join(folder, '.curlrc'), 'fail\nno-progress-meter\nwrite-out = "\\n"\n')
  const { stdout } = await run('sh', ['-e', '-c', block('sh')], {
    env: { ...process.env, CURL_HOME: folder, API: `${http.url}/api/v1`, NO_PROXY: '127.0.0.1' },
  })
  const answers = stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  const commands = block('sh').match(/^curl /gm) ?? []
  expect(answers).toHaveLength(commands.length)
  expect(commands.length).toBeGreaterThan(10)
  expect(answers[0]).toEqual({ executionId: 'order-7', created: true })
  expect(answers).toContainEqual({
    executionId: 'order-7',
    status: 'completed',
    result: { label: 'label for lamp' },
  })
  expect(answers).toContainEqual({
    outcomes: [expect.objectContaining({ status: 201 }), expect.objectContaining({ status: 404 })],
  })
})

test('the program', { timeout: 90_000 }, async () => {
  await writeFile(join(folder, 'workflows.ts'), WORKFLOWS)
  await writeFile(join(folder, 'program.ts'), block('ts').replace('http://127.0.0.1:4000', http.url))
  const config = { extends: '../../tsconfig.json', include: ['program.ts'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder])
  const { stdout } = await run(process.execPath, ['--import', 'tsx', join(folder, 'program.ts')], {
    cwd: root,
  })
  expect(stdout).toBe('label for lamp\n')
})
