// screenshot.mjs URL FILE [WIDTH HEIGHT [SELECTOR]]: how a page looks, to look at by hand.
// Where there is a SELECTOR, once there is such an element.
import { browse } from "./browser.mjs";

await browse(async (open, url, file, width = 1280, height = 800, selector = "body") => {
  const page = await open();
  await page.setViewportSize({ width: Number(width), height: Number(height) });
  await page.goto(url);
  await page.locator(selector).first().waitFor();
  await page.screenshot({ path: file });
});
