// A page of another origin that has an unmodified library from a package, in Chromium:
// node browser.cjs LIBRARY URL WRITE_KEY
'use strict'

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { chromium } = require('playwright-core')

const [library, hub, key] = process.argv.slice(2)
const modules = process.env.NODE_PATH
const flags =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

// What a shop's page would have: the library as it is published, told where the hub is.
const pages = {
  segment: {
    file: '@segment/analytics-next/dist/umd/index.js',
    load: `window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: '${key}', cdnURL: '${hub}' })`,
  },
  rudder: {
    file: '@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js',
    load: `
      window.analytics = new rudderanalytics.RudderAnalytics()
      analytics.load('${key}', '${hub}', { configUrl: '${hub}' })`,
  },
}

const { file, load } = pages[library]
const html = `<!doctype html><meta charset="utf-8"><title>Pricing</title>
<script src="/library.js"></script><script>${load}</script>
<script>
  analytics.page('Pricing')
  analytics.track('Visited', { city: 'Zürich' })
  analytics.identify('${library}-1', { plan: 'pro', seats: 3, city: '中文' })
  analytics.track('Order Completed', { total: 29.33, products: [{ sku: 'A-1' }, { sku: '中文' }] })
</script>`

const server = http.createServer((request, response) => {
  if (request.url === '/library.js') {
    response.setHeader('content-type', 'text/javascript')
    return response.end(fs.readFileSync(path.join(modules, file)))
  }
  response.setHeader('content-type', 'text/html')
  response.end(html)
})

async function main() {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium'
  const browser = await chromium.launch({ executablePath, headless: true, args: flags.split(' ') })
  try {
    const page = await browser.newPage()
    const events = new Set()
    page.on('console', (message) => console.error(message.text()))
    page.on('pageerror', (error) => console.error(error))
    page.on('response', (response) => {
      const { pathname } = new URL(response.url())
      if (response.request().method() === 'POST' && response.url().startsWith(hub) && response.status() === 200) {
        events.add(`${pathname} ${response.request().postData()?.length} ${events.size}`)
      }
      if (response.status() >= 400) console.error(`${response.status()} ${response.url()}`)
    })
    await page.goto(`http://localhost:${server.address().port}/`)
    const began = Date.now()
    while (events.size < 4) {
      if (Date.now() - began > 30000) throw new Error(`only ${events.size} of 4 calls arrived`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  } finally {
    await browser.close()
    server.close()
  }
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
