// A real Chromium for tests: Debian's package `chromium`, driven by playwright-core, with a profile of its own that is
// thrown away. Where it is not installed such tests are skipped and say so; CI installs it.

import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'
import { z } from 'zod'

const CHROMIUM = '/usr/bin/chromium'

export const hasBrowser = existsSync(CHROMIUM)
if (!hasBrowser) {
  console.warn(
    `No ${CHROMIUM}: the tests of the dashboard in a browser are skipped. Install it: apt-get install chromium`,
  )
}

/** Ignored by git; a reviewer looks here. */
export const SCREENSHOTS = fileURLToPath(new URL('../../.cerebelum/screenshots', import.meta.url))

export interface TestBrowser {
  /** A page in a context of its own. What it logs as an error, and what it throws, fails `expectCalm`. */
  open(url: string, options?: BrowserContextOptions): Promise<TestPage>
}

export interface TestPage {
  readonly page: Page
  /** What went wrong in the page so far: errors on its console, uncaught ones, breaches of its policy. */
  readonly troubles: readonly string[]
  screenshot(name: string): Promise<void>
  /** axe-core finds nothing serious or critical. */
  expectAccessible(): Promise<void>
  close(): Promise<void>
}

export function useBrowser(): TestBrowser {
  let browser: Browser | undefined
  beforeAll(async () => {
    if (!hasBrowser) return
    await mkdir(SCREENSHOTS, { recursive: true })
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      headless: true,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
      timeout: 90_000,
    })
  })
  afterAll(async () => {
    await browser?.close()
    if (hasBrowser) console.info(`screenshots: ${SCREENSHOTS}`)
  })
  return {
    async open(url, options) {
      if (browser === undefined) throw new Error('useBrowser: only within tests, where there is a browser')
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
      const page = await context.newPage()
      page.setDefaultTimeout(20_000)
      const troubles: string[] = []
      page.on('pageerror', (error) => troubles.push(`thrown: ${error.message}`))
      page.on('console', (message) => {
        // An answer that says no is an outcome that the page shows, not an error of the page.
        const isAnswer = message.text().startsWith('Failed to load resource')
        if (message.type() === 'error' && !isAnswer) troubles.push(`logged: ${message.text()}`)
      })
      await page.goto(url)
      return makePage(page, troubles)
    },
  }
}

const Findings = z.array(
  z.object({
    id: z.string(),
    impact: z.string().nullish(),
    help: z.string(),
    nodes: z.array(z.object({ html: z.string(), failureSummary: z.string().optional() })),
  }),
)

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

function makePage(page: Page, troubles: string[]): TestPage {
  return {
    page,
    troubles,
    async screenshot(name) {
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), animations: 'disabled' })
    },
    async expectAccessible() {
      // Evaluated by the debugger: the page's policy lets no script in, and that is as it should be.
      await page.evaluate(axe)
      const found = Findings.parse(
        await page.evaluate(`axe.run(document).then((result) => result.violations)`),
      )
      const serious = found
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(
          ({ id, help, nodes }) =>
            `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `${html}\n${failureSummary ?? ''}`).join('\n')}`,
        )
      expect(serious).toEqual([])
    },
    async close() {
      expect(troubles).toEqual([])
      await page.context().close()
    },
  }
}
