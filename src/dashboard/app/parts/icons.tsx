// The few signs of the frame, drawn here: no font, no file to load.

const PATHS = {
  executions: 'M3 4h10M3 8h10M3 12h6',
  charts: 'M2.5 13.5h11M4 11l3-4 2.5 2L13 4',
  cluster: 'M3 3.5h10v3.5H3zM3 9h10v3.5H3zM5.5 5.2h.01M5.5 10.7h.01',
  schedules: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2 1.3',
  dead: 'M8 2.5l6 10.5H2zM8 6.5v3M8 11.3h.01',
  workflows: 'M3 3h4v3H3zM9 10h4v3H9zM5 6v5.5h4M7 4.5h4V10',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.4"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}
