// Dark or light: as the system says until somebody chooses, and then as chosen, in this browser.

import { signal } from '@preact/signals'
import { load, save } from './storage.js'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const KEY = 'theme'
const stored = load(KEY)
export const theme = signal<Theme>(THEMES.find((one) => one === stored) ?? 'system')

theme.subscribe((value) => {
  if (value === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = value
})

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system'
  save(KEY, theme.value)
}
