import { StrictMode, type ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { readConfig } from './config.ts'
import { ConfigScreen } from './config-screen.tsx'
import { watchPolicy } from './diagnosis.ts'
import { Fault } from './fault.tsx'
import { firstLang, SettingsProvider } from './settings.tsx'
import { fetchWords } from './words-here.ts'
import { wayOf, WayProvider } from './way.ts'
import './styles/base.css'
import './styles/home.css'
import './styles/deliberation.css'
import './styles/verdict.css'
import './styles/screens.css'
import './styles/history.css'
import './styles/trace.css'
import './styles/compare.css'
import './styles/presets.css'
import './styles/check.css'
import './styles/room.css'
import './styles/sheet.css'

async function screen(): Promise<ReactNode> {
  const read = await readConfig()
  if ('fault' in read) return <ConfigScreen fault={read.fault} />
  return (
    <WayProvider value={await wayOf(read.config)}>
      <App />
    </WayProvider>
  )
}

const root = document.getElementById('root')
if (root) {
  watchPolicy()
  const [shown] = await Promise.all([screen(), fetchWords(firstLang())])
  createRoot(root).render(
    <StrictMode>
      <SettingsProvider>
        <Fault>{shown}</Fault>
      </SettingsProvider>
    </StrictMode>,
  )
}
