// screenshot.mjs URL FILE [WIDTH HEIGHT [SELECTOR]]: takes a screenshot of a page. With SELECTOR,
// it waits for such an element first.
import { browse } from "./browser.mjs";

await browse(async (open, url, file, width = 1280, height = 800, selector = "body") => {
  const page = await open();
  await page.setViewportSize({ width: Number(width), height: Number(height) });
  await page.goto(url);
  await page.locator(selector).first().waitFor();
  await page.screenshot({ path: file });
});
