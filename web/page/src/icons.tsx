import type { ReactNode } from 'react'

const icon = (drawing: ReactNode) => () => (
  <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
    {drawing}
  </svg>
)

export const Chevron = icon(<path d="m6 3 5 5-5 5" />)
export const ArrowDown = icon(<path d="M8 2.5v10M3.5 8.5 8 13l4.5-4.5" />)
export const Grow = icon(<path d="M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5 9.5 6.5M2.5 13.5l4-4" />)
export const Shrink = icon(<path d="M13 7H9V3M3 9h4v4M9 7l4.5-4.5M7 9l-4.5 4.5" />)
export const StopIcon = icon(<path className="solid" d="M4 4h8v8H4Z" />)
export const Play = icon(<path className="solid" d="M5 3v10l8-5Z" />)
export const Plus = icon(<path d="M8 3v10M3 8h10" />)
export const Bin = icon(<path d="M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M7 7v4M9 7v4" />)
export const Enter = icon(<path d="M13 3.5v4a2 2 0 0 1-2 2H3M6 6.5l-3 3 3 3" />)
export const Moon = icon(<path d="M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5Z" />)
export const Sun = icon(
  <>
    <circle cx="8" cy="8" r="3" />
    <path d="M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M13 3l-1.2 1.2M4.2 11.8 3 13" />
  </>,
)
export const Halves = icon(
  <>
    <circle cx="8" cy="8" r="5.5" />
    <path className="solid" d="M8 2.5a5.5 5.5 0 0 1 0 11Z" />
  </>,
)
export const Warn = icon(<path d="M8 2 14.5 13.5h-13ZM8 6.5v3.2M8 11.4v.6" />)
export const Cross = icon(<path d="M4 4l8 8M12 4l-8 8" />)
export const Search = icon(
  <>
    <circle cx="7" cy="7" r="4.5" />
    <path d="m10.5 10.5 3.5 3.5" />
  </>,
)
export const More = icon(
  <>
    <circle className="solid" cx="3" cy="8" r="1.3" />
    <circle className="solid" cx="8" cy="8" r="1.3" />
    <circle className="solid" cx="13" cy="8" r="1.3" />
  </>,
)
export const Pen = icon(<path d="m3 13 .7-3L10.5 3.2l2.3 2.3L6 12.3ZM9 4.7 11.3 7" />)
export const Link = icon(
  <path d="M6.5 9.5 9.5 6.5M7 4.5l1.7-1.7a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5l-1.7 1.7a2.8 2.8 0 0 1-4-4L5 7.5" />,
)
export const Hold = icon(<path className="solid" d="M4 3h3v10H4ZM9 3h3v10H9Z" />)
