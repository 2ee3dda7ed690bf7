"""python-rucaptcha in its CaptchaAI mode: an object a task, which makes a session of its own."""

from __future__ import annotations

from python_rucaptcha.image_captcha import ImageCaptcha

from clients.task import Lost, at_once, image


async def solve_all(url: str, key: str, count: int) -> list[str | BaseException]:
    return await solve_as("captchaai", "request", f"{url}/in.php", f"{url}/res.php", key, count)


async def solve_as(
    service: str, answer: str, submit: str, look: str, key: str, count: int
) -> list[str | BaseException]:
    """Solve images in one of its modes: where it submits and looks, and what an answer is called."""

    async def solve(n: int) -> str:
        client = ImageCaptcha(rucaptcha_key=key, service_type=service, sleep_time=1)
        client.params.url_request = submit
        client.params.url_response = look
        told = await client.aio_captcha_handler(captcha_base64=image(n))
        if not told["solution"]:
            raise Lost(str(told["errorDescription"] or told["errorCode"]))
        return told["solution"][answer]

    return await at_once(solve, count)
