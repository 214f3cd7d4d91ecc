// The frame around every page: where one can go, the theme, help, and whether the node answers.

import { isOnline } from './api/request.js'
import { showKeys } from './keyboard.js'
import { Icon, type IconName } from './parts/icons.js'
import { parts } from './router.js'
import { nextTheme, theme } from './theme.js'
import type { ComponentChildren } from 'preact'

const ICON = new URL('./icon.svg', import.meta.url).href

const LINKS: readonly { readonly path: string; readonly name: string; readonly icon: IconName }[] = [
  { path: '/', name: 'Executions', icon: 'executions' },
  { path: '/charts', name: 'Charts', icon: 'charts' },
  { path: '/cluster', name: 'Cluster', icon: 'cluster' },
  { path: '/schedules', name: 'Schedules', icon: 'schedules' },
  { path: '/dead-letters', name: 'Dead letters', icon: 'dead' },
  { path: '/workflows', name: 'Workflows', icon: 'workflows' },
]

export function Frame({ children }: { readonly children: ComponentChildren }) {
  const [first = 'executions'] = parts.value
  return (
    <div class="frame">
      <header class="side">
        <a class="brand" href="/" aria-label="Cerebelum, executions">
          <img src={ICON} alt="" />
          <span>Cerebelum</span>
        </a>
        <nav aria-label="Pages">
          {LINKS.map(({ path, name, icon }) => (
            <a href={path} aria-current={isHere(path, first) ? 'page' : undefined}>
              <Icon name={icon} />
              {name}
            </a>
          ))}
        </nav>
        <div class="tools">
          <button
            type="button"
            class="button quiet small"
            onClick={nextTheme}
            title="Dark, light, or as the system says"
          >
            <span class="unseen">Theme: </span>
            {theme.value === 'system' ? 'Auto' : theme.value === 'dark' ? 'Dark' : 'Light'}
          </button>
          <button type="button" class="button quiet small" onClick={showKeys} aria-label="Keyboard">
            ?
          </button>
        </div>
      </header>
      <div>
        {!isOnline.value && (
          <div class="offline" role="alert">
            The node does not answer. What is shown is the last that was read; it is asked again by itself.
          </div>
        )}
        <main tabIndex={-1}>{children}</main>
      </div>
    </div>
  )
}

function isHere(path: string, first: string): boolean {
  return path === '/' ? first === 'executions' : path === `/${first}`
}
