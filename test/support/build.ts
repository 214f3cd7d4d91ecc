// The built program for tests that run it as a process: `dist/`, brought up to date once before all tests.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The program `cerebelum`. */
export const PROGRAM = join(root, 'dist', 'cli', 'main.js')

/** Builds unless what is built is newer than every source; tests that run at the same time must not each build. */
export function buildIfStale(): void {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join(root, 'src', name),
  )
  const inputs = [...sources, join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json')]
  const builtAtMs = statSync(PROGRAM, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (inputs.every((path) => statSync(path).mtimeMs < builtAtMs)) return
  // A type error is for `npm run types` to judge: what could be written was written.
  spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} could not be built`)
}
