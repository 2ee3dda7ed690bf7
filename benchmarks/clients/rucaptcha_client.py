"""python-rucaptcha in its CaptchaAI mode: an object a task, which makes a session of its own."""

from __future__ import annotations

from python_rucaptcha.image_captcha import ImageCaptcha

from clients.task import Lost, at_once, image


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    async def solve(n: int) -> str:
        client = ImageCaptcha(rucaptcha_key=key, service_type="captchaai", sleep_time=1)
        client.params.url_request = f"{url}/in.php"
        client.params.url_response = f"{url}/res.php"
        told = await client.aio_captcha_handler(captcha_base64=image(n))
        if not told["solution"]:
            raise Lost(str(told["errorDescription"] or told["errorCode"]))
        return told["solution"]["request"]

    return await at_once(solve, count)
